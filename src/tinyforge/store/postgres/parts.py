"""What the roles share: the pool, ids, the lease we hold, and what the queue may have for us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tinyforge.clock import MINUTE, Micros, Moment
from tinyforge.errors import StoreUnavailable
from tinyforge.ids import Ids
from tinyforge.model import RunId, WorkloadId
from tinyforge.store.port import Abilities, Counts, Elsewhere, Known, TakenRun
from tinyforge.store.postgres import statements as sql
from tinyforge.store.postgres.connection import Database, Session

COUNTED_FOR: Micros = 5 * MINUTE
LEASE_OVER = "our lease is over: the database was out of reach for too long"


@dataclass
class Queue:
    """What is known of runs that wait, without asking."""

    may_have_ready: bool = False
    next_ready_at: Moment | None = None
    noted: int = 0  # runs that are ready by what we did ourselves
    told: int = 0  # of those, how many others were told of
    is_for_others: bool = False  # a run waits that is not for us, and nobody was told

    def note(self, ready_at: Moment, now: Moment) -> None:
        """Remember a run that we queued."""
        if ready_at <= now:
            self.noted += 1
        self.learn(ready_at, now)

    def learn(self, ready_at: Moment, now: Moment) -> None:
        """Remember a run that somebody queued."""
        if ready_at <= now:
            self.may_have_ready = True
        elif self.next_ready_at is None or ready_at < self.next_ready_at:
            self.next_ready_at = ready_at

    def has_ready(self, now: Moment) -> bool:
        return self.may_have_ready or (self.next_ready_at is not None and self.next_ready_at <= now)


@dataclass
class Share:
    """Our place among the replicas that live."""

    of: int = 1
    place: int = 0
    helps_from: Moment = 0  # not those of others while we are late ourselves

    def may_help(self, now: Moment) -> bool:
        return self.of > 1 and now >= self.helps_from


@dataclass(frozen=True)
class Counted:
    """What was counted of the config, and on what news."""

    known: Known | None
    at: Micros  # monotonic
    counts: Counts

    def holds(self, known: Known, now: Micros) -> bool:
        """Say whether the config is still the same; a pause alone is no new generation of it."""
        is_same = self.known is not None and self.known.generation == known.generation
        return is_same and now - self.at < COUNTED_FOR


class Barred(NamedTuple):
    """Workloads that we may not deploy, as of one generation of the config."""

    generation: int = -1
    ids: frozenset[WorkloadId] = frozenset()

    def is_of_the_past(self, generation: int) -> bool:
        """Say whether some may be free by now."""
        return bool(self.ids) and generation != self.generation


@dataclass
class Parts:
    database: Database
    ids: Ids
    replica: int
    instance: int
    monotonic: Callable[[], Micros]
    queue: Queue = field(default_factory=Queue)
    share: Share = field(default_factory=Share)
    held: dict[RunId, TakenRun] = field(default_factory=dict)  # under our lease, as we know it
    abilities: Abilities = field(default_factory=Abilities)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)  # as of the last heartbeat
    barred: Barred = field(default_factory=Barred)
    unsure: bool = False  # a commit whose end we did not see may have taken runs for us
    trusted_until: Micros = 0  # monotonic: ends before the lease does
    marked: Moment = 0  # the clock mark that we know to be stored
    known: Known | None = None  # as of the last heartbeat
    counted: Counted | None = None
    changes: int = 0  # of ours, that a heartbeat under way may have missed
    stirred: asyncio.Event = field(default_factory=asyncio.Event)  # the heart has something to do
    hinted: bool = False  # to beat, and not to wait for its time

    @property
    def is_trusted(self) -> bool:
        return self.monotonic() < self.trusted_until

    def forget_known(self) -> None:
        """Ask again, for we have changed what was known."""
        self.known = self.counted = None
        self.changes += 1
        if self.barred.ids:
            self.queue.may_have_ready = True

    def beat_soon(self) -> None:
        self.hinted = True
        self.stirred.set()

    def share_what_is_left(self, now: Moment) -> None:
        """Have others told of runs that are ready and that we do not take."""
        if self.share.of > 1 and self.queue.has_ready(now) and self.queue.noted > self.queue.told:
            self.stirred.set()

    def call_others(self) -> None:
        """Have others told of a run that we may not take."""
        if self.share.of > 1:
            self.queue.is_for_others = True
            self.stirred.set()

    def may_nudge(self) -> bool:
        """Say, once for each reason, whether others should be told."""
        told, self.queue.told = self.queue.told, self.queue.noted
        called, self.queue.is_for_others = self.queue.is_for_others, False
        has_more = self.queue.noted > told and self.queue.may_have_ready
        return self.share.of > 1 and (called or has_more)

    def begin(self, taken: Sequence[TakenRun], instance: int) -> Sequence[TakenRun]:
        """Hold what was taken under *instance*; nothing, where that lease is gone meanwhile."""
        if instance != self.instance:
            return ()
        self.held.update({run.run_id: run for run in taken})
        return taken

    async def alive(self, session: Session) -> int:
        """Hold our lease to the end of the transaction, and return the config's generation.

        StoreUnavailable where the lease is over.
        """
        rows = await session.ask(sql.OWN_LEASE, self.replica, self.instance)
        if not self.is_trusted or not rows:
            raise StoreUnavailable(LEASE_OVER)
        return int(rows[0][0])

    async def barred_at(self, session: Session, generation: int) -> frozenset[WorkloadId]:
        """Return the workloads that we may not deploy, as the config of *generation* says."""
        if self.barred.generation != generation:
            rows = await session.ask(sql.BARRED, self.instance)
            self.barred = Barred(generation, frozenset(WorkloadId(row[0]) for row in rows))
        return self.barred.ids

    @property
    def trigger_kinds(self) -> tuple[list[str], list[str]]:
        """Return those that we leave to others, and those that we know."""
        return sorted(self.elsewhere.trigger_kinds), sorted(self.abilities.trigger_kinds or ())
