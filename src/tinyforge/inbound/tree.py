"""Looking into JSON of which nothing is known: what is not there, or is another type, is absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyforge.deliveries import Refused


def at(value: object, path: str) -> object:
    """Return what the names of *path*, with dots between them, lead to; None: nothing."""
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text(value: object, *paths: str) -> str:
    """Return the first text that one of *paths* leads to, `""` where none does."""
    for path in paths:
        found = at(value, path)
        if isinstance(found, str) and found:
            return found
    return ""


def number(value: object, path: str) -> int | None:
    found = at(value, path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def items(value: object, path: str) -> Sequence[object]:
    found = at(value, path)
    return found if isinstance(found, list) else ()


def without(needed: Mapping[str, str]) -> Refused | None:
    """Refuse a payload in which a text, given by its path, is absent."""
    absent = [path for path, found in needed.items() if not found]
    if not absent:
        return None
    return Refused(
        status=400,
        because=f"the payload has no text at {', '.join(absent)}: does another sender use this"
        " endpoint, or a template of your own?",
    )
