"""What is wrong with a manifest, collected so that a person reads all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from tinyforge.errors import InvalidManifest

MOST_SHOWN = 1_000
LONGEST_QUOTED = 60  # characters
LONGEST_NAME = 300
NAMES_SHOWN = 12


class Mistakes:
    """Lines of `file:line: where: what; the fix`, in the order of the file."""

    def __init__(self, source: str) -> None:
        self._source = quoted_name(source)
        self._found: list[tuple[int, str, str]] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, line: int | None, where: str, what: str) -> None:
        """Without a *line* it is about the file as a whole, or about what is not in it."""
        self._found.append((line or 0, where, what))

    def copy(self) -> Mistakes:
        """Return the same mistakes, to which more can be added."""
        other = Mistakes(self._source)
        other._found = list(self._found)
        return other

    def error(self) -> InvalidManifest:
        found = sorted(self._found, key=lambda mistake: mistake[0])
        lines = [self._line(*mistake) for mistake in found[:MOST_SHOWN]]
        if left := len(found) - len(lines):
            lines.append(f"{self._source}: {left} more mistakes are not shown; repair these first")
        return InvalidManifest(tuple(lines), self._source)

    def _line(self, line: int, where: str, what: str) -> str:
        place = f"{self._source}:{line}" if line else self._source
        text = ": ".join(part for part in (place, where, what) if part)
        return text if text.isprintable() else _visible(text)


def _visible(text: str) -> str:
    """Write out what a terminal would act on, line breaks among it."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def quoted(value: object) -> str:
    """Show *value* on one line, never all of a long one."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST_QUOTED else f"{text[:LONGEST_QUOTED]}…"


def quoted_name(name: str) -> str:
    """Show *name* bare where it is harmless."""
    return name if name.isprintable() and 0 < len(name) <= LONGEST_NAME else quoted(name)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?`, or all that is *known* where nothing is near."""
    names = sorted(str(name) for name in known)
    near = get_close_matches(word, names, 1) or get_close_matches(word.lower(), names, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
    return f"known: {shown or 'none'}"
