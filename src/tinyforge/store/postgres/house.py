"""What a store on PostgreSQL and the server around it say to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tinyforge.clock import Clock, Micros, Moment
from tinyforge.model import RunId
from tinyforge.store.port import Abilities


@dataclass(frozen=True, kw_only=True)
class News:
    """What a heartbeat brought. *now* is the database's, read between *asked* and *answered*."""

    now: Moment
    asked: Micros
    answered: Micros
    next_due_at: Moment | None
    has_ready: bool
    has_dead: bool
    has_left_events: bool  # and it is ours to look
    has_unplanned: bool
    cancels: Mapping[RunId, str]  # of runs that wait, or that we deploy; and who asked
    lease_lost: bool


class Migrating(NamedTuple):
    """A step of the schema: done, or it *waits* for others that use its tables."""

    schema: int
    name: str
    waits: bool


@dataclass(frozen=True, kw_only=True)
class House:
    """Whom a store serves, and who hears of its commits and heartbeats."""

    clock: Clock
    version: str
    local: Callable[[], Moment] | None = None  # the machine's own clock; None: there is no other
    abilities: Abilities = field(default_factory=Abilities)
    committed: Callable[[Micros], None] = lambda _took: None
    migrated: Callable[[Migrating], None] = lambda _step: None
    hear: Callable[[News], None] = lambda _news: None
