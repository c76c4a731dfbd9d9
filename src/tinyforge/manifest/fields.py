"""The keys of one row, read one by one; a wrong one becomes a mistake on its own line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from tinyforge.clock import Micros
from tinyforge.manifest.mistakes import Mistakes, quoted, quoted_name, suggestion
from tinyforge.manifest.syntax import Node, plain
from tinyforge.model import Json
from tinyforge.schedule.words import duration
from tinyforge.store.definition import as_duration

INDEX = re.compile(r"\[(\d{1,9})\]\.?")
TRUTHS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


class Fields:
    def __init__(self, node: Node, where: str, mistakes: Mistakes) -> None:
        self.node = node
        self.where = where
        self.mistakes = mistakes
        self._before = len(mistakes)
        self._keys: Mapping[str, Node] = node.value if isinstance(node.value, dict) else {}

    @property
    def is_clean(self) -> bool:
        """Whether no mistake was found since these fields were opened."""
        return len(self.mistakes) == self._before

    def wrong(self, field: str, what: str) -> None:
        """Add a mistake about *field*, such as `env.BRANCH` or `command[0]`."""
        where = ".".join(part for part in (self.where, quoted_name(field) if field else "") if part)
        self.mistakes.add(line_of(self.node, field), where, what)

    def is_mapping(self, example: str) -> bool:
        if isinstance(self.node.value, dict):
            return True
        self.wrong("", f"must be keys and values, not {named(self.node)}; such as {example}")
        return False

    def refuse_unknown(self, known: Collection[str]) -> None:
        for key in self._keys:
            if key not in known:
                self.wrong(key, f"unknown key; {suggestion(key, known)}")

    def has(self, key: str) -> bool:
        """Whether *key* says something; an empty one says as little as one that is left out."""
        return key in self._keys and self._keys[key].value is not None

    def get(self, key: str) -> Node | None:
        return self._keys[key] if self.has(key) else None

    def config(self, known: Collection[str]) -> Json:
        """Return those of the *known* keys that say something, without their lines."""
        keys = self._keys.items()
        return {key: plain(node) for key, node in keys if key in known and node.value is not None}

    def text(self, key: str) -> str | None:
        node = self.get(key)
        if node is None:
            return None
        if isinstance(node.value, str):
            return node.value
        hint = "" if isinstance(node.value, list | dict) else "; put quotes around it"
        self.wrong(key, f"must be text, not {named(node)}{hint}")
        return None

    def flag(self, key: str) -> bool | None:
        """Return true or false; None where it is not said, or not in these words."""
        node = self.get(key)
        if node is None:
            return None
        if isinstance(node.value, bool):
            return node.value
        word = str(node.value).lower()
        fix = TRUTHS.get(word, word)
        fix = f"write {fix}" if fix in {"true", "false"} else "write true or false"
        self.wrong(key, f"must be true or false, not {named(node)}; {fix}")
        return None

    def choice(self, key: str, choices: Iterable[str], default: str) -> str:
        word = self.text(key)
        if word is None or word in (choices := tuple(choices)):
            return word or default
        self.wrong(key, f"{quoted(word)} is unknown; {suggestion(word, choices)}")
        return default

    def length(self, key: str, bounds: tuple[Micros, Micros], default: Micros) -> Micros:
        """Return a duration within *bounds*."""
        node = self.get(key)
        if node is None:
            return default
        shortest, longest = bounds
        try:
            found = duration(node.value) if isinstance(node.value, str) else -1
        except ValueError:
            found = -1
        if shortest <= found <= longest:
            return found
        span = f"{as_duration(shortest)} to {as_duration(longest)}"
        fix = f"write a duration from {span}, such as 90s or 5m"
        self.wrong(key, f"{quoted(plain(node))} will not do; {fix}")
        return default


def named(node: Node) -> str:
    """Say what *node* is, to somebody who meant something else."""
    value = node.value
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return "nothing" if value is None else quoted(value)


def line_of(node: Node, field: str) -> int:
    """Return the line of what *field* names, or of the nearest thing around it."""
    inner: Node | None = node
    while inner is not None:
        node = inner
        inner, field = _step(node, field)
    return node.key_line


def _step(node: Node, field: str) -> tuple[Node | None, str]:
    value = node.value
    if isinstance(value, dict):
        fitting = [key for key in value if field == key or field.startswith((f"{key}.", f"{key}["))]
        if fitting:
            key = max(fitting, key=len)
            return value[key], field[len(key) :].removeprefix(".")
    elif isinstance(value, list) and (index := INDEX.match(field)) and int(index[1]) < len(value):
        return value[int(index[1])], field[index.end() :]
    return None, field


def field_of(config: object, pointer: str) -> str:
    """Return a JSON pointer into *config* as people write it: `/env/A/0` is `env.A[0]`."""
    field = ""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(config, list):
            config, field = config[int(key)], f"{field}[{key}]"
        elif isinstance(config, Mapping):
            config, field = config[key], f"{field}.{key}" if field else key
    return field
