"""What was written and what came, as far as a mistake or a reason repeats it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST_SHOWN = 60  # characters
MOST_SHOWN = 5  # of a list


def shown(text: str) -> str:
    """Return *text* bare where it is short and harmless, else quoted and cut."""
    if 0 < len(text) <= LONGEST_SHOWN and text.isprintable() and not text.isspace():
        return text
    return brief(text)


def brief(value: object) -> str:
    """Return *value* on one line of printable text, never all of a long one."""
    text = ascii(value[: LONGEST_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def any_of(texts: Iterable[str]) -> str:
    """Return `a, b or c`, of many only the first."""
    names = [shown(text) for text in texts]
    if len(names) > MOST_SHOWN:
        return f"{', '.join(names[:MOST_SHOWN])} or {len(names) - MOST_SHOWN} others"
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?`, or all that is *known* where nothing is near."""
    names = sorted(known)
    near = get_close_matches(word.lower(), names, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
