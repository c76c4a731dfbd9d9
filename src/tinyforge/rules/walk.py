"""All ways through the elements of a pattern at once, one character after the other.

A set of places is a number: bit n is set where the first n elements can be behind us. What one
character makes of a set is remembered, so texts that are alike cost a look-up for each character.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

MOST_KNOWN = 4_096  # moves that are remembered

Wild: TypeAlias = Literal["*", "**", "**/"]


class OneOf(Struct, frozen=True):
    """One character within *spans*, or one that is not; never the border of a segment."""

    spans: tuple[tuple[str, str], ...]
    is_negated: bool

    def takes(self, char: str) -> bool:
        within = any(first <= char <= last for first, last in self.spans)
        return char != "/" and within is not self.is_negated


class Exactly(Struct, frozen=True):
    char: str

    def takes(self, char: str) -> bool:
        return char == self.char


Element: TypeAlias = Exactly | OneOf | Wild


class Walk:
    def __init__(self, elements: Sequence[Element]) -> None:
        self._elements: list[Element | None] = []  # None: within the segments of a `**/`
        for element in elements:
            self._elements += (element, None) if element == "**/" else (element,)
        self._dirs = self._bits(["**/"])
        self._wild = self._bits(["*", "**"])
        self._end = 1 << len(self._elements)
        self._begin = self._skip(1)
        self._cuts = _cuts(elements)
        self._steps: dict[int, tuple[int, int]] = {}  # by the stretch between two cuts
        self._known: dict[int, dict[str, int]] = {}
        self._room = MOST_KNOWN

    def ends_well(self, text: str) -> bool:
        at, nothing = self._begin, dict[str, int]()
        for char in text:
            after = self._known.get(at, nothing).get(char)
            at = self._move(at, char) if after is None else after
            if not at:
                return False
        return bool(at & self._end)

    def _bits(self, wanted: Sequence[Wild | None]) -> int:
        places = (place for place, one in enumerate(self._elements) if one in wanted)
        return sum(1 << place for place in places)

    def _skip(self, at: int) -> int:
        """Add the ways on which a wildcard takes nothing more."""
        entered = at & self._dirs
        at |= entered << 1 | entered << 2
        return at | (at & self._wild) << 1

    def _move(self, at: int, char: str) -> int:
        stretch = bisect(self._cuts, char)
        step = self._steps.get(stretch)
        if step is None:
            step = self._steps[stretch] = self._step(char)
        after = self._skip((at & step[0]) << 1) | self._skip_stars(at & step[1])
        if not self._room:
            self._known.clear()
            self._room = MOST_KNOWN
        self._room -= 1
        self._known.setdefault(at, {})[char] = after
        return after

    def _skip_stars(self, at: int) -> int:
        """As `_skip`, for places that stay: a `**/` that was entered is not entered again."""
        return at | (at & self._wild) << 1

    def _step(self, char: str) -> tuple[int, int]:
        """Return the bits that *char* moves, and those that it leaves where they are."""
        moved = sum(
            1 << place
            for place, element in enumerate(self._elements)
            if (element is None and char == "/")
            or (isinstance(element, Exactly | OneOf) and element.takes(char))
        )
        return moved, self._bits(["**", None] if char == "/" else ["*", "**", None])


def _cuts(elements: Iterable[Element]) -> list[str]:
    """Return the characters at which it may begin to matter which one comes."""
    found = {"/", chr(ord("/") + 1)}
    for element in elements:
        match element:
            case Exactly(char=char):
                found |= {char, _after(char)}
            case OneOf(spans=spans):
                found |= {edge for first, last in spans for edge in (first, _after(last))}
            case _:
                pass
    return sorted(found)


def _after(char: str) -> str:
    return chr(min(ord(char) + 1, 0x10FFFF))
