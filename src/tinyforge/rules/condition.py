"""`when:`, a CEL expression over one variable `event`. The only room that knows the library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias
from weakref import WeakKeyDictionary

from cel_expr_python import cel

from tinyforge.changes import Change
from tinyforge.errors import MatchFailed
from tinyforge.rules.reading import DEEPEST, Reading
from tinyforge.rules.words import brief, suggestion

LONGEST = 2_000  # characters of an expression
MOST_COMPILED = 1_000
MOST_VALUES = 3  # in a reason

Views: TypeAlias = dict[int, cel.Activation]

PAYLOAD = "event.payload"
TYPES: Mapping[str, cel.Type] = {
    "event.files": cel.Type.List(cel.Type.STRING),
    "event.created": cel.Type.BOOL,
    "event.deleted": cel.Type.BOOL,
    "event.forced": cel.Type.BOOL,
    PAYLOAD: cel.Type.DYN,
}
NAMES = (*(f"event.{field}" for field in Change.__struct_fields__), PAYLOAD)
# `map` could build values without bound; what it is good for, exists and filter can do
WITHOUT_MAP = "stdlib:\n  exclude_macros:\n    - map\n"
ENV = cel.NewEnv(
    config=cel.NewEnvConfigFromYaml(WITHOUT_MAP),
    variables={name: TYPES.get(name, cel.Type.STRING) for name in NAMES},
)
USES_MAP = re.compile(r"\.\s*map\s*\(")
USED = re.compile(r"event(?:\.[A-Za-z_]\w*)+(?!\w*\s*\()")
UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
COMPLAINT = re.compile(r"<input>:(-?\d+):(-?\d+): (.*)")
NOISE = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$| \(in container ''\)")
ALWAYS_THERE = re.compile(r"\s*has\s*\(\s*(event\.[a-z]+)\s*\)\s*")

_views: WeakKeyDictionary[Reading, Views] = WeakKeyDictionary()


class Condition:
    """One expression, compiled. Raises ValueError for what can never be true or false."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._program = _compiled(text)
        self._sees_payload = "payload" in text

    def why_not(self, reading: Reading, place: int) -> str:
        """Say why the change at *place* does not fit; raise MatchFailed if it has no answer."""
        if self._sees_payload and reading.is_too_deep:
            raise self._failed(f"the payload is nested deeper than {DEEPEST}", reading, place)
        try:
            value = self._program.eval(_view(reading, place))
        except (RuntimeError, MemoryError) as problem:
            raise self._failed(str(problem), reading, place) from problem
        found = value.value()
        if not isinstance(found, bool):
            raise self._failed(str(found), reading, place)
        return "" if found else f"when is false: {self._with_values(reading, place)}"

    def _failed(self, problem: str, reading: Reading, place: int) -> MatchFailed:
        said = NOISE.sub("", problem)
        return MatchFailed(f"when failed: {self._with_values(reading, place)}: {said}")

    def _with_values(self, reading: Reading, place: int) -> str:
        names = list(dict.fromkeys(USED.findall(self.text)))[:MOST_VALUES]
        values = [f"{name} is {_value(name, reading, place)}" for name in names]
        text = " ".join(self.text.split())
        return f"{text} ({', '.join(values)})" if values else text


@lru_cache(MOST_COMPILED)
def _compiled(text: str) -> cel.Expression:
    if len(text) > LONGEST:
        raise ValueError(f"has {len(text)} characters; write at most {LONGEST:,}")
    if USES_MAP.search(text):
        raise ValueError("`map` is not available; use exists, all or filter")
    try:
        program = ENV.compile(text.encode().decode())
    except UnicodeError as problem:
        raise ValueError("holds half a character; write it anew") from problem
    except RuntimeError as problem:
        raise ValueError(_complaint(str(problem))) from problem
    if program.return_type().name() != cel.Type.BOOL.name():
        raise ValueError(_not_a_truth(text, program.return_type()))
    return program


def _complaint(said: str) -> str:
    """Return the first thing that the compiler says, in our words."""
    found = COMPLAINT.search(said)
    if not found:
        return f"{NOISE.sub('', said.splitlines()[0])}; write it shorter"
    line, column, what = found.groups()
    what = NOISE.sub("", what)
    where = f"line {line}, column {column}: " if int(line) > 0 else ""
    name = UNDECLARED.search(what)
    if not name:
        return f"{where}{what}"
    return f"{where}there is no {name[1]}; {suggestion(name[1], NAMES)}"


def _not_a_truth(text: str, found: cel.Type) -> str:
    if asked := ALWAYS_THERE.fullmatch(text):
        return f"{asked[1]} is always there; compare it, such as {asked[1]} != ''"
    if found.name() == cel.Type.DYN.name():
        return "may be anything; compare it, such as `… == true`"
    return f"gives {found.name().lower()}; compare it, so that it is true or false"


def _view(reading: Reading, place: int) -> cel.Activation:
    """Return what expressions see; they share it, and it converts no more than they name."""
    views = _views.setdefault(reading, {})
    if place not in views:
        change = reading.changes[place]
        data: dict[str, object] = {f"event.{name}": value for name, value in _fields(change)}
        views[place] = ENV.Activation({**data, PAYLOAD: reading.payload})
    return views[place]


def _fields(change: Change) -> Iterator[tuple[str, object]]:
    for name in Change.__struct_fields__:
        value: object = getattr(change, name)
        yield name, list(change.files or ()) if name == "files" else value


def _value(name: str, reading: Reading, place: int) -> str:
    """Show what *name* stands for, as far as it can be followed."""
    _, first, *path = name.split(".")
    value: object = reading.payload
    if first != "payload":
        value = dict(_fields(reading.changes[place])).get(first)
        path = []
    for step in path:
        if not isinstance(value, Mapping):
            break
        if step not in value:
            return "absent"
        value = value[step]
    if isinstance(value, Mapping):
        return "a mapping"
    return f"a list of {len(value)}" if isinstance(value, list | tuple) else brief(value)
