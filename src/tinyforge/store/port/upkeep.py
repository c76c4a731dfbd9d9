"""Counts, retention, checks and facts about the database itself."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from tinyforge.clock import DAY, Moment


class Counts(Struct, frozen=True, kw_only=True):
    triggers: dict[str, int]  # by kind
    broken: dict[str, int]  # by what
    paused: int
    runs: dict[str, int]  # queued and running now
    oldest_undecided: Moment | None
    open_events: int
    unplanned: int
    unplaced: int = 0  # queued runs that no server may take which lives
    oldest_ready: Moment | None = None  # of the queued runs


class Swept(Struct, frozen=True, kw_only=True):
    events: int
    runs: int
    log_bytes: int
    more: bool
    deliveries: int = 0
    body_bytes: int = 0


class Limits(Struct, frozen=True, kw_only=True):
    """What the janitor keeps."""

    history: int  # micros
    decisions: int  # of each trigger, at least
    logs: int  # micros
    log_bytes: int
    bodies: int = 30 * DAY  # micros
    body_bytes: int = 2 << 30


class Upkeep(Protocol):
    async def counts(self) -> Counts: ...

    async def sweep_history(self, keep: Limits, now: Moment) -> Swept:
        """Delete one bounded batch of what is kept no longer."""
        ...

    async def checkpoint(self) -> None: ...

    async def check(self) -> list[str]:
        """Return what SQLite's quick_check, or its like, finds wrong with the file."""
        ...

    async def fact(self, name: str) -> str | None: ...

    async def set_fact(self, name: str, value: str | None) -> None: ...
