"""Globs over names and paths. Linear in the text, whatever the pattern: no backtracking.

`*` and `?` stay in a segment, `**` crosses, `**/` is any number of whole segments or none, `[a-z]`
and `[!a-z]` are one character, `{a,b}` is either, a backslash takes the meaning from what follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tinyforge.rules.braces import alternatives
from tinyforge.rules.walk import Element, Exactly, OneOf, Walk

LONGEST = 512  # characters of a pattern
ANY = OneOf((), is_negated=True)


class Glob:
    """One pattern, compiled. Raises ValueError where it makes no sense."""

    def __init__(self, text: str, *, case: bool = True, below: bool = False) -> None:
        """Without *case*, letters match in either. With *below*, `a/` is everything under it."""
        _check(text)
        self.text = text
        self._case = case
        self._lines = [
            _Line(_parse(_whole(line if case else line.lower(), below=below)))
            for line in alternatives(text)
        ]

    @property
    def place(self) -> str:
        """Say where a file must be, to follow *no file*."""
        text = self.text.removeprefix("/")
        folder = text.removesuffix("**")
        is_folder = folder.endswith("/") and not set(folder) & set("*?[{\\")
        return f"under {folder}" if is_folder else f"like {text}"

    def matches(self, text: str) -> bool:
        text = (text if self._case else text.lower()).removeprefix("/")
        return any(line.matches(text) for line in self._lines)


class _Line:
    """One sequence of elements: what is fixed at both ends is compared, the rest is walked."""

    def __init__(self, elements: Sequence[Element]) -> None:
        self._head = _fixed(elements)
        rest = elements[len(self._head) :]
        self._tail = _fixed(reversed(rest))[::-1]
        middle = tuple(rest[: len(rest) - len(self._tail)])
        self._only: Element | None = middle[0] if len(middle) == 1 else None
        self._walk = Walk(middle)

    def matches(self, text: str) -> bool:
        fixed = len(self._head) + len(self._tail)
        if len(text) < fixed or not (text.startswith(self._head) and text.endswith(self._tail)):
            return False
        middle = text[len(self._head) : len(text) - len(self._tail)]
        match self._only:
            case "*":
                return "/" not in middle
            case "**":
                return True
            case "**/":
                return not middle or middle[-1] == "/"
            case _:
                return self._walk.ends_well(middle)


def _check(text: str) -> None:
    if not text.strip("/"):
        raise ValueError("is empty; write a name or a glob, or remove it")
    if len(text) > LONGEST:
        raise ValueError(f"has {len(text)} characters; write at most {LONGEST}")
    if text[0] == "!":
        raise ValueError(r"nothing is taken away with `!` here; write \! for the character itself")


def _whole(text: str, *, below: bool) -> str:
    text = text.removeprefix("/")
    return f"{text}**" if below and text.endswith("/") else text


def _fixed(elements: Iterable[Element]) -> str:
    """Return the characters that stand before the first element which is not one."""
    fixed = ""
    for element in elements:
        if not isinstance(element, Exactly):
            break
        fixed += element.char
    return fixed


def _parse(text: str) -> list[Element]:
    elements: list[Element] = []
    place = 0
    while place < len(text):
        element, place = _next(text, place)
        if not (element in {"*", "**", "**/"} and _swallows(elements, element)):
            elements.append(element)
    return elements


def _swallows(elements: list[Element], wild: Element) -> bool:
    """Let two wildcards in a row be the wider of them."""
    last = elements[-1] if elements else None
    if last == "*" and wild == "**":
        elements[-1] = wild
    return last == wild or (last in {"*", "**"} and wild in {"*", "**"})


def _next(text: str, place: int) -> tuple[Element, int]:
    match text[place]:
        case "*":
            end = place
            while end < len(text) and text[end] == "*":
                end += 1
            if end == place + 1:
                return "*", end
            begins_segment = place == 0 or text[place - 1] == "/"
            return (
                ("**/", end + 1) if begins_segment and text[end : end + 1] == "/" else ("**", end)
            )
        case "?":
            return ANY, place + 1
        case "[":
            return _class(text, place + 1)
        case "\\":
            if place + 1 == len(text):
                raise ValueError(r"ends in a backslash; write \\ for the character itself")
            return Exactly(text[place + 1]), place + 2
        case char:
            return Exactly(char), place + 1


def _class(text: str, place: int) -> tuple[Element, int]:
    """Read what stands after a `[`."""
    is_negated = text[place : place + 1] in {"!", "^"}
    place += is_negated
    spans: list[tuple[str, str]] = []
    while text[place : place + 1] != "]" or not spans:
        first, place = _member(text, place)
        last = first
        if text[place : place + 1] == "-" and text[place + 1 : place + 2] not in {"", "]"}:
            last, place = _member(text, place + 1)
        if last < first:
            raise ValueError(f"[{first}-{last}] holds nothing; write [{last}-{first}]")
        spans.append((first, last))
    return OneOf(tuple(spans), is_negated), place + 1


def _member(text: str, place: int) -> tuple[str, int]:
    if text[place : place + 1] == "\\":
        place += 1
    if place >= len(text):
        raise ValueError(r"a [ is not closed; close it, or write \[ for the character itself")
    return text[place], place + 1
