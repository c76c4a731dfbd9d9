"""What the roles share: the pool, ids, the lease we hold, and what the queue may have for us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tinyforge.clock import Micros, Moment
from tinyforge.errors import StoreUnavailable
from tinyforge.ids import Ids
from tinyforge.model import RunId
from tinyforge.store.port import TakenRun
from tinyforge.store.postgres import statements as sql
from tinyforge.store.postgres.connection import Database, Session

LEASE_OVER = "our lease is over: the database was out of reach for too long"


@dataclass
class Queue:
    """What is known of runs that wait, without asking."""

    may_have_ready: bool = False
    next_ready_at: Moment | None = None

    def note(self, ready_at: Moment, now: Moment) -> None:
        """Remember a run that was queued."""
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
    unsure: bool = False  # a commit whose end we did not see may have taken runs for us
    trusted_until: Micros = 0  # monotonic: ends before the lease does
    marked: Moment = 0  # the clock mark that we know to be stored

    @property
    def is_trusted(self) -> bool:
        return self.monotonic() < self.trusted_until

    async def alive(self, session: Session) -> None:
        """Hold our lease to the end of the transaction; StoreUnavailable where it is over."""
        if not self.is_trusted or not await session.ask(sql.OWN_LEASE, self.replica, self.instance):
            raise StoreUnavailable(LEASE_OVER)
