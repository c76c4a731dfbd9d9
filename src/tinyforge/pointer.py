"""JSON pointers (RFC 6901)."""

from __future__ import annotations

import re
from collections.abc import Mapping

POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
PLACE = re.compile(r"0|[1-9][0-9]{0,9}")


def is_pointer(text: str) -> bool:
    return POINTER.fullmatch(text) is not None


def follow(value: object, pointer: str) -> object:
    """Return what *pointer* leads to within *value*, None where it leads nowhere."""
    for part in pointer.split("/")[1:]:
        value = _step(value, part.replace("~1", "/").replace("~0", "~"))
    return value


def _step(value: object, part: str) -> object:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list | tuple) and PLACE.fullmatch(part) and int(part) < len(value):
        return value[int(part)]
    return None
