"""Moving everything from one database into another, table by table, in the order of the keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from tinyforge.clock import Moment
from tinyforge.model import Event, EventId
from tinyforge.store.port.config import Config
from tinyforge.store.port.endpoints import Endpoints
from tinyforge.store.port.history import History
from tinyforge.store.port.listing import Listing


class Unreadable(NamedTuple):
    """Text that is no UTF-8; only a hand writes such a thing, and only into a file."""

    text: bytes


Cell: TypeAlias = int | float | str | bytes | Unreadable | None
Cells: TypeAlias = Sequence[Cell]


class Moved(NamedTuple):
    """A table, what its rows are told apart by, and how many of them travel at once."""

    name: str
    key: tuple[str, ...] = ("id",)
    batch: int = 2_000


# Who serves is not moved, nor what a database keeps for its own use.
MOVED = (
    Moved("triggers", batch=500),
    Moved("workloads", batch=500),
    Moved("bindings", batch=500),
    Moved("revisions", batch=500),
    Moved("specs"),
    Moved("timing", ("trigger_id",)),
    Moved("epochs", ("trigger_id", "epoch")),
    Moved("endpoints", ("trigger_id",)),
    Moved("secrets"),
    Moved("unplanned", ("what", "row_id")),
    Moved("events"),
    Moved("spans", ("trigger_id", "epoch", "from_at", "reason")),
    Moved("results", ("event_id", "binding_id")),
    Moved("runs"),
    Moved("attempts", ("run_id", "n")),
    Moved("run_log", batch=200),
    Moved("tokens"),
    Moved("audit"),
    Moved("deliveries"),
    Moved("bodies", ("delivery_id",), batch=50),
    Moved("contents", ("trigger_id", "content")),
    Moved("decisions", ("of_id", "n")),
    Moved("earlier_results", ("event_id", "n", "binding_id")),
    Moved("matches", ("run_id",)),
    Moved("facts", ("name",)),
)
OWN_FACTS = ("schema", "schema_min", "generation", "high_water")  # of the database itself


class Marks(Struct, frozen=True, kw_only=True):
    """What goes on from where it was: *last_id* is the highest that was ever given."""

    generation: int
    high_water: Moment
    last_id: int


class Ledger(Config, Endpoints, History, Listing, Protocol):
    """What `verify` reads."""

    async def events_by_id(self, ids: Sequence[EventId]) -> dict[EventId, Event]: ...

    async def open_events(self, limit: int, before: Moment) -> list[Event]: ...


class Side(Protocol):
    """A database that nobody serves, nor begins to serve while it is held."""

    @property
    def name(self) -> str:
        """Where it is; never with a password."""
        ...

    async def columns(self) -> Mapping[str, Sequence[str]]:
        """Return the columns of every table."""
        ...

    async def count(self, table: Moved) -> int: ...

    def rows(self, table: Moved, columns: Sequence[str]) -> AsyncIterator[list[Cells]]:
        """Yield all rows in batches, in the order of the key's bytes."""
        ...

    async def marks(self) -> Marks: ...

    def ledger(self) -> AbstractAsyncContextManager[Ledger]:
        """Read what is stored here, as `verify` does."""
        ...


class Target(Side, Protocol):
    """A database without content: what is put there stands only once it is kept."""

    async def put(self, table: Moved, columns: Sequence[str], rows: list[Cells]) -> None:
        """Raise Refused where a cell cannot be held, naming it and the fix."""
        ...

    async def end(self, marks: Marks) -> None:
        """Have ids and marks go on above those of the source, once all rows are put."""
        ...

    async def keep(self) -> None: ...
