"""What to type next after an error, and ids as people write them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from tinyforge.errors import (
    Conflict,
    InvalidConfig,
    InvalidManifest,
    NotFound,
    Refused,
    StoreUnavailable,
    TinyforgeError,
    UnknownKind,
)
from tinyforge.ids import read
from tinyforge.operations.commands import command

Noun: TypeAlias = Literal["event", "run"]
LISTED = frozenset({"trigger", "event", "run"})


def id_of(noun: Noun, text: str) -> int:
    """Read an id; text that is none is not found, like an id that nothing has."""
    try:
        return read("evt" if noun == "event" else "run", text)
    except ValueError:
        raise NotFound(noun, text) from None


def fix_of(error: TinyforgeError) -> str:
    """Return the next command to type, or what to do where no command helps."""
    match error:
        case Refused(fix=fix):
            return fix
        case NotFound(what=what):
            return command(what, "list") if what in LISTED else "tinyforge export"
        case Conflict():
            return "type the same command once more: something else changed meanwhile"
        case InvalidManifest(source=source):
            return f"correct the file, then: {command('plan', source)}"
        case InvalidConfig() | UnknownKind() | StoreUnavailable():
            return "tinyforge doctor"
        case _:
            return ""
