"""YAML 1.2 as a manifest needs it, with the line of everything.

`true`, `false`, `null` and whole numbers are what they look like; all else is text: `on`, `no`,
`1.10`, `1:30`, `0123`, dates. Keys are always text.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct
from yaml import (
    AliasEvent,
    CSafeLoader,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    MarkedYAMLError,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    parse,
)

from tinyforge.errors import InvalidManifest
from tinyforge.manifest.complaints import DEEPEST, TOO_DEEP, explain
from tinyforge.manifest.mistakes import Mistakes, quoted, quoted_name
from tinyforge.manifest.text import decode

MOST_NODES = 2_000_000
MOST_REPEATED = 100_000  # nodes that stand in the file once and are meant several times
INTEGER = re.compile(r"0|-?[1-9][0-9]*")
SMALLEST, LARGEST = -(2**63), 2**64 - 1  # what JSON readers can hold
DIGITS = 20
WORDS = MappingProxyType({"": None, "~": None, "null": None, "true": True, "false": False})

Value: TypeAlias = "str | int | bool | list[Node] | dict[str, Node] | None"
Start: TypeAlias = ScalarEvent | SequenceStartEvent | MappingStartEvent


class Node(Struct, frozen=True):
    """A value, the line it begins on and the line of its key, if it has one."""

    value: Value
    line: int
    key_line: int


def read(data: bytes | str, mistakes: Mistakes) -> Node:
    """Return what the file says; what can be read past is only added to *mistakes*."""
    text = decode(data, mistakes)
    tree = _Tree(mistakes)
    try:
        for event in parse(text, Loader=CSafeLoader):
            tree.take(event)
    except MarkedYAMLError as problem:
        complaint = explain(problem, text)
        mistakes.add(complaint.line, f"column {complaint.column}", complaint.what)
        raise mistakes.error() from None
    return tree.root or Node(None, 1, 1)


def plain(node: Node) -> object:
    """Return the value without its lines."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


class _Open:
    """A list or a mapping whose end has not been read yet."""

    __slots__ = ("anchor", "before", "is_dropped", "items", "key", "key_line", "node")

    def __init__(self, node: Node, anchor: str | None, before: int) -> None:
        self.node = node
        self.items: dict[str, Node] | None = node.value if isinstance(node.value, dict) else None
        self.anchor = anchor
        self.before = before  # nodes read before it
        self.key: str | None = None
        self.key_line = 0
        self.is_dropped = False  # the value of this key is read and forgotten

    @property
    def wants_key(self) -> bool:
        return self.items is not None and self.key is None


class _Tree:
    """Builds nodes from parser events. Not recursive: depth is checked, not suffered."""

    def __init__(self, mistakes: Mistakes) -> None:
        self.root: Node | None = None
        self._mistakes = mistakes
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}  # None: not read to its end
        self._nodes = 0
        self._repeated = 0

    def take(self, event: Event) -> None:
        if type(event) is ScalarEvent:  # nearly all are
            self._scalar(event)
        elif isinstance(event, SequenceStartEvent | MappingStartEvent):
            self._begin(event)
        elif isinstance(event, SequenceEndEvent | MappingEndEvent):
            self._end()
        elif isinstance(event, AliasEvent):
            self._alias(event)
        elif isinstance(event, DocumentStartEvent) and self.root is not None:
            raise self._fatal(event, "a manifest is one document; remove the `---` in the middle")

    def _scalar(self, event: ScalarEvent) -> None:
        top = self._open[-1] if self._open else None
        if event.tag is not None:
            self._refuse_tag(event, event.tag)
        if "\0" in event.value:
            self._add(event, "a NUL character cannot be used; remove it")
        if top is not None and top.items is not None and top.key is None:
            self._key(top, top.items, event)
        else:
            self._place(self._node(self._value(event), event), event.anchor)
            self._value_is_read()

    def _begin(self, event: SequenceStartEvent | MappingStartEvent) -> None:
        if self._open and self._open[-1].wants_key:
            raise self._fatal(event, "a key must be text; write `key: value`")
        if len(self._open) >= DEEPEST:
            raise self._fatal(event, TOO_DEEP)
        if event.tag is not None:
            self._refuse_tag(event, event.tag)
        value: Value = {} if isinstance(event, MappingStartEvent) else []
        node = self._node(value, event)
        before = self._nodes
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._place(node, None)
        self._open.append(_Open(node, event.anchor, before))

    def _end(self) -> None:
        closed = self._open.pop()
        self._value_is_read()
        if closed.anchor is not None:
            self._anchors[closed.anchor] = (closed.node, self._nodes - closed.before)

    def _alias(self, event: AliasEvent) -> None:
        if self._open and self._open[-1].wants_key:
            raise self._fatal(event, "a key must be text, not an alias (*); write the key out")
        if event.anchor not in self._anchors:
            raise self._fatal(event, f"no &{event.anchor} stands above; quote a text that has a *")
        found = self._anchors[event.anchor]
        if found is None:
            raise self._fatal(event, f"&{event.anchor} holds itself; write out what you mean")
        node, size = found
        self._repeated += size
        if self._repeated > MOST_REPEATED:
            raise self._fatal(event, f"aliases (*) repeat more than {MOST_REPEATED} values")
        self._nodes += size - 1
        self._place(Node(node.value, node.line, self._key_line(_line(event))), None)
        self._value_is_read()

    def _key(self, top: _Open, items: dict[str, Node], event: ScalarEvent) -> None:
        key: str = event.value
        top.key_line = _line(event)
        top.is_dropped = True
        if not key:
            self._add(event, "a key is empty; write `key: value`")
        elif key == "<<" and event.implicit[0]:
            self._add(event, "merge keys (<<) are not used here; write the keys out")
        elif key in items:
            first = items[key].key_line
            self._add(event, f"{quoted(key)} is here a second time, after line {first}; keep one")
        else:
            top.is_dropped = False
        top.key = key
        if event.anchor is not None:
            self._anchors[event.anchor] = (Node(key, top.key_line, top.key_line), 1)

    def _place(self, node: Node, anchor: str | None) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._mistakes.add(node.line, "", f"more than {MOST_NODES} values; divide the file")
            raise self._mistakes.error()
        if anchor is not None:
            self._anchors[anchor] = (node, 1)
        if not self._open:
            self.root = node
            return
        top = self._open[-1]
        if top.items is None:
            if isinstance(top.node.value, list):
                top.node.value.append(node)
        elif top.key is not None and not top.is_dropped:
            top.items[top.key] = node

    def _value_is_read(self) -> None:
        if self._open:
            self._open[-1].key = None

    def _value(self, event: ScalarEvent) -> Value:
        text: str = event.value
        if not event.implicit[0]:
            return text
        if text in WORDS:
            return WORDS[text]
        if not INTEGER.fullmatch(text):
            return text
        if len(text) <= DIGITS and SMALLEST <= (number := int(text)) <= LARGEST:
            return number
        self._add(event, f"the number {quoted(text)} is too large; put quotes around it")
        return text

    def _node(self, value: Value, event: Start) -> Node:
        line = _line(event)
        return Node(value, line, self._key_line(line))

    def _key_line(self, line: int) -> int:
        """Return the line of the key of what begins on *line*, or that line where it has none."""
        top = self._open[-1] if self._open else None
        return line if top is None or top.items is None else top.key_line

    def _refuse_tag(self, event: Start, tag: str) -> None:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        self._add(event, f"the tag {quoted_name(shown)} is not used here; remove it, or quote it")

    def _add(self, event: Event, what: str) -> None:
        self._mistakes.add(_line(event), self._where(), what)

    def _fatal(self, event: Event, what: str) -> InvalidManifest:
        self._add(event, what)
        return self._mistakes.error()

    def _where(self) -> str:
        """Return the keys down to here, the last ones where there are too many."""
        keys = [found.key for found in self._open if found.key is not None]
        return ".".join(quoted_name(key) for key in keys[-6:])


def _line(event: Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 1
