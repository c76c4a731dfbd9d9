"""What to type next after an error, and ids as people write them."""

from __future__ import annotations

from collections.abc import Mapping
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

Noun: TypeAlias = Literal["event", "run", "audit", "trigger", "workload", "binding", "delivery"]
PREFIXES: Mapping[Noun, str] = {
    "event": "evt",
    "run": "run",
    "audit": "aud",
    "delivery": "dlv",
    "trigger": "trg",
    "workload": "wld",
    "binding": "bnd",
}
A_TOKEN = "tinyforge token create --role deployer --trigger NAME --expires 30d"  # noqa: S105 - a command
LISTED = frozenset({"trigger", "workload", "binding", "event", "run", "token", "audit", "delivery"})


def id_of(noun: Noun, text: str) -> int:
    """Read an id; text that is none is not found, like an id that nothing has."""
    try:
        return read(PREFIXES[noun], text)
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
            again = f"correct the file, then: {command('plan', source)}"
            return again if source else "correct it, and send it again"
        case InvalidConfig() | UnknownKind() | StoreUnavailable():
            is_token = isinstance(error, InvalidConfig) and error.kind == "token"
            return A_TOKEN if is_token else "tinyforge doctor"
        case _:
            return ""
