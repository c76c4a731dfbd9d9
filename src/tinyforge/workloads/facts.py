"""What an event knows, by JSON pointer (RFC 6901), and as text that is safe to hand on."""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from tinyforge.model import Json
from tinyforge.pointer import follow, is_pointer

LARGEST_TEXT = 4 * 1024  # bytes
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class FromEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """`{event: /branch}` in a config: the fact that this pointer leads to."""

    event: str

    def __post_init__(self) -> None:
        if not is_pointer(self.event):
            raise ValueError(f"{self.event!r} is not a JSON pointer such as /branch")

    def of(self, facts: Json) -> object:
        """Return the fact, None where there is none."""
        return follow(facts, self.event)


def as_text(value: object) -> str | None:
    """Return text as it is, anything else as JSON, None for null; ValueError says why not."""
    if value is None:
        return None
    text = value if isinstance(value, str) else _json(value)
    if CONTROL.search(text):
        raise ValueError("holds control characters")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode") from None
    if size > LARGEST_TEXT:
        raise ValueError(f"is longer than {LARGEST_TEXT // 1024} KiB")
    return text


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        raise ValueError("cannot be written as JSON") from None
