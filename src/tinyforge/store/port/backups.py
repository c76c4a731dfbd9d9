"""What a backup says of itself, and what becomes of a database that is made from one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from tinyforge.clock import Moment

BACKUP_FACT = "backup"
RESTORED = "restored from a backup: nobody knows what became of it"


class Step(Struct, frozen=True, kw_only=True):
    """How far a backup or a restore is; *total* of 0: it is one thing, and done."""

    name: str
    done: int = 0
    total: int = 0


Tell: TypeAlias = Callable[[Step], None]


class Mark(Struct, frozen=True, kw_only=True):
    """Stands in a backup, and in no other file."""

    at: Moment
    version: str


class Found(Struct, frozen=True, kw_only=True):
    """A file that can be restored. *keys*: the ids of those that open what is sealed in it."""

    schema: int
    mark: Mark | None
    keys: frozenset[str]


class Copy(Struct, frozen=True, kw_only=True):
    bytes: int
    keys: frozenset[str]


class Ended(Struct, frozen=True, kw_only=True):
    """What a backup had under way when it was made."""

    runs: int
    events: int
