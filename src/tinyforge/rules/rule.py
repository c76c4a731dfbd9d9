"""A rule as written -> the rule compiled, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from importlib import import_module
from typing import Protocol, TypeVar, cast

from msgspec import Struct

from tinyforge.changes import EVENTS
from tinyforge.model import Json
from tinyforge.rules.globs import Glob
from tinyforge.rules.keys import (
    CASELESS,
    KEYS,
    NAMES,
    Events,
    Named,
    Paths,
    Pattern,
    SkipMarkers,
    Test,
)
from tinyforge.rules.reading import Reading
from tinyforge.rules.versions import Range, is_range
from tinyforge.rules.words import any_of, brief, suggestion

T = TypeVar("T")

MOST_PATTERNS = 100  # of one key
ALWAYS = frozenset({"events", "when"})
HAVING = {
    "branch": {"push", "create", "delete", "workflow"},
    "tag": {"tag", "create", "delete", "release", "image"},
    "image": {"image"},
}
REFS = ("refs/heads/", "refs/tags/")
SUCH_AS_EVENT = {"branch": "push", "tag": "tag", "image": "image"}
SUCH_AS = {
    "events": "push",
    "repository": "acme/*",
    "branch": "main",
    "tag": "v*",
    "image": "ghcr.io/acme/*",
    "paths": "web/**",
    "paths_ignore": "docs/**",
    "skip_markers": '"[skip ci]"',
}


class Condition(Protocol):
    def why_not(self, reading: Reading, place: int) -> str: ...


class Rule(Struct, frozen=True, kw_only=True):
    tests: tuple[Test, ...]
    condition: Condition | None
    sees_files: bool


class RuleReader:
    """Reads one rule; *mistakes* are lines of `field: what; the fix`."""

    def __init__(
        self,
        rule: Json,
        fills: Collection[str],
        usual_events: Sequence[str],
        sends: Sequence[str],
    ) -> None:
        self._rule = rule
        self._fills = {*fills, *ALWAYS}
        self._usual = tuple(usual_events)
        self._sends = tuple(sends)
        self.mistakes: list[str] = []

    def read(self) -> Rule:
        """Return the rule; only without *mistakes* is it worth anything."""
        for key in self._rule:
            self._check_key(key)
        events = self._texts("events", self._event)
        self._check_events(events or self._usual)
        tests = [Events(events or self._usual), *self._named(), *self._markers(), *self._paths()]
        return Rule(
            tests=tuple(tests),
            condition=self._condition(),
            sees_files=bool({"paths", "paths_ignore"} & self._rule.keys()),
        )

    def _check_key(self, key: str) -> None:
        known = [one for one in KEYS if one in self._fills]
        if key not in KEYS:
            self.mistakes.append(f"{key}: unknown key; {suggestion(key, known)}")
        elif key not in self._fills:
            can = ", ".join(known)
            self.mistakes.append(f"{key}: its trigger never says this; remove it, or use {can}")

    def _check_events(self, events: Sequence[str]) -> None:
        """Refuse a key that none of *events* has: the rule would never match."""
        if self._usual != ("push",):  # of a forge it is known which has which
            return
        for key, having in HAVING.items():
            if key in self._rule and key in self._fills and not having & {*events}:
                self.mistakes.append(
                    f"{key}: never comes with {any_of(events)}; name an event that has it,"
                    f" such as events: [{SUCH_AS_EVENT[key]}]"
                )

    def _event(self, word: str) -> str:
        if word not in EVENTS:
            raise ValueError(f"no event {brief(word)}; {suggestion(word, self._sends)}")
        if word not in self._sends:
            sent = any_of(self._sends)
            raise ValueError(f"its trigger never sends {word!r}; remove it, or use {sent}")
        return word

    def _named(self) -> Iterator[Test]:
        for key in NAMES:
            if patterns := self._texts(key, _pattern_of(key)):
                yield Named(key, patterns)

    def _markers(self) -> Iterator[Test]:
        if markers := self._texts("skip_markers", str):
            yield SkipMarkers(markers)

    def _paths(self) -> Iterator[Test]:
        wanted = self._texts("paths", _path)
        ignored = self._texts("paths_ignore", _path)
        if wanted or ignored:
            yield Paths(wanted, ignored)

    def _condition(self) -> Condition | None:
        text = self._rule.get("when")
        if "when" not in self._rule:
            return None
        if not isinstance(text, str) or not text.strip():
            given = "empty" if not text else f"not {brief(text)}"
            self.mistakes.append(f"when: must be an expression, {given}; event.branch == 'main'")
            return None
        try:
            return _compile(text)
        except ValueError as problem:
            self.mistakes.append(f"when: {problem}")
            return None

    def _texts(self, key: str, compiled: Callable[[str], T]) -> tuple[T, ...]:
        """Return what *key* lists, compiled; nothing where it is not there or wrong."""
        if key not in self._rule or key not in self._fills:
            return ()
        given = self._rule[key]
        listed = list(given) if isinstance(given, list | tuple) else [given]
        if len(listed) > MOST_PATTERNS:
            self.mistakes.append(f"{key}: lists {len(listed)}; write at most {MOST_PATTERNS}")
            return ()
        if not listed:
            self.mistakes.append(f"{key}: is empty, so nothing could match; remove it")
        found = []
        for place, text in enumerate(listed):
            field = f"{key}[{place}]" if isinstance(given, list | tuple) else key
            try:
                found.append(compiled(_text(key, text)))
            except ValueError as problem:
                self.mistakes.append(f"{field}: {problem}")
        return tuple(found)


def _text(key: str, value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    if value is None or isinstance(value, str):
        raise ValueError(f"is empty; write text such as {SUCH_AS[key]}, or remove it")
    hint = "; put quotes around it" if isinstance(value, int | float) else ""
    raise ValueError(f"must be text such as {SUCH_AS[key]}, not {brief(value)}{hint}")


def _pattern_of(key: str) -> Callable[[str], Pattern]:
    if key == "tag":
        return lambda text: Range(text) if is_range(text) else Glob(_name(text))
    if key == "branch":
        return lambda text: Glob(_name(text))
    return lambda text: Glob(text, case=key not in CASELESS)


def _name(text: str) -> str:
    """Refuse a whole ref: rules are held against names, which begin behind that."""
    for prefix in REFS:
        if text.removeprefix("/").startswith(prefix):
            name = text.removeprefix("/").removeprefix(prefix) or "main"
            raise ValueError(f"begins with {prefix}, which no name does; write {brief(name)}")
    return text


def _path(text: str) -> Glob:
    if text.startswith("!"):
        raise ValueError(f"what must not count stands in paths_ignore: {brief(text[1:])}")
    return Glob(text, below=True)


class _Compiles(Protocol):
    def __call__(self, text: str) -> Condition: ...


def _compile(text: str) -> Condition:
    """Import what knows expressions when the first is met: most rules have none."""
    return cast("_Compiles", import_module("tinyforge.rules.condition").Condition)(text)
