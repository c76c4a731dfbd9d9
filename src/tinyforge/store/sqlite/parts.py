"""What the roles of the embedded store share: the writer, the readers, ids, the live queues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from tinyforge.clock import Moment
from tinyforge.errors import Conflict, StoreUnavailable
from tinyforge.ids import LAST, Ids
from tinyforge.model import BindingId, EventId, RunId, WorkloadId
from tinyforge.store.port import Replica
from tinyforge.store.sqlite.connection import ENVIRONMENT, open_file_only, open_reader
from tinyforge.store.sqlite.lanes import Lanes, Queued
from tinyforge.store.sqlite.writer import Writer

T = TypeVar("T")
RETRIES = 5
RUNNING = "SELECT workload_id, id FROM runs WHERE state = 3"
WAITING = """
SELECT workload_id, event_id, id, binding_id, attempt, ready_at FROM runs INDEXED BY run_queue
WHERE state = 2 ORDER BY event_id"""
GENERATION = "SELECT coalesce((SELECT value FROM facts WHERE name = 'generation'), 0)"

encode = msgspec.json.Encoder().encode


class LanesMoved(Conflict):
    """A commit failed, and with it what the live queues were told."""


def text(value: object) -> str:
    """Return *value* as JSON text, the form in which rows travel into a statement."""
    return encode(value).decode()


class Parts:
    def __init__(self, path: Path, writer: Writer | None, near: apsw.Connection) -> None:
        self.path = path
        self.near = near  # for the event loop's thread: short reads only
        self.ids = Ids(above=highest_id(near))
        self.instance = self.ids.next(0)
        self.lanes = Lanes()
        self.replica: Replica | None = None  # who serves the file, once it has said so
        self._writer = writer
        self._far: apsw.Connection | None = None
        self._far_thread = ThreadPoolExecutor(1, "tinyforge-reader")
        self.upkeep_thread = ThreadPoolExecutor(1, "tinyforge-upkeep")
        self.checkpointer: apsw.Connection | None = None  # belongs to the upkeep thread
        self._lanes_number = -1  # of the lanes that the loop has
        self._lanes_in_force = 0  # raised by the writer's thread when an ordered commit fails
        self._rebuilding = asyncio.Lock()
        self._generation: int | None = None  # of the config, while nobody is changing it
        self._changes = 0  # of the config, on their way

    @property
    def writer(self) -> Writer:
        if self._writer is None:
            raise StoreUnavailable("the file is open for reading only")
        return self._writer

    @property
    def knows_lanes(self) -> bool:
        """Whether the live queues are what the file says: no commit has failed since."""
        return self._lanes_number == self._lanes_in_force

    @property
    def known_generation(self) -> int | None:
        """The generation of the config, as it is kept in memory while nobody changes it."""
        return self._generation

    def generation(self) -> int:
        """Return the generation of the config; asked for each turn, so it is kept in memory."""
        if self._generation is not None:
            return self._generation
        found = int(self.look(GENERATION)[0][0])
        if self._writer is not None and not self._changes:
            self._generation = found
        return found

    async def change_config(self, work: Callable[[apsw.Connection], T]) -> T:
        self._generation = None
        self._changes += 1
        return await self.writer.submit(work, on_settled=self._config_changed)

    def _config_changed(self) -> None:
        self._changes -= 1

    def look(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one short read in the loop's thread."""
        try:
            return ask(self.near, statement, values)
        except ENVIRONMENT as problem:
            raise StoreUnavailable(str(problem)) from problem

    async def read(self, query: Callable[[apsw.Connection], T]) -> T:
        """Run a read that may be long in the reader's thread, in one snapshot."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._far_thread, self._read_far, query)

    def _read_far(self, query: Callable[[apsw.Connection], T]) -> T:
        if self._far is None:
            self._far = open_reader(self.path) if self._writer else open_file_only(self.path)
        with snapshot(self._far) as connection:
            return query(connection)

    async def ordered(
        self, prepare: Callable[[Moment], Callable[[apsw.Connection], T]], now: Moment
    ) -> T:
        """Do what changes the live queues: *prepare* tells them, its result tells the file."""
        for _ in range(RETRIES):
            if not self.knows_lanes:
                await self.rebuild_lanes(now)
            number = self._lanes_number
            work = prepare(now)
            try:
                return await self.writer.submit(
                    self._in_order(work, number), on_failure=partial(self.outdate_lanes, number)
                )
            except LanesMoved:
                continue
        raise StoreUnavailable("the live queues could not be rebuilt")

    def _in_order(
        self, work: Callable[[apsw.Connection], T], number: int
    ) -> Callable[[apsw.Connection], T]:
        def perform(connection: apsw.Connection) -> T:
            if number != self._lanes_in_force:
                raise LanesMoved
            return work(connection)

        return perform

    def outdate_lanes(self, number: int | None = None) -> None:
        """Have the live queues read again, unless *number* is not in force any more.

        Only the writer's thread calls this.
        """
        if number in {None, self._lanes_in_force}:
            self._lanes_in_force += 1

    async def rebuild_lanes(self, now: Moment) -> None:
        """Read the live queues behind everything that is being written."""
        async with self._rebuilding:
            wanted, rows = await self.writer.submit(self._read_lanes)
            if wanted == self._lanes_number:
                return
            running, queued = rows
            barred = self.lanes.barred
            self.lanes = Lanes()
            self.lanes.bar(barred, now)
            self.lanes.restore(running, queued, now)
            self._lanes_number = wanted

    def _read_lanes(
        self, connection: apsw.Connection
    ) -> tuple[int, tuple[list[tuple[WorkloadId, RunId]], list[tuple[WorkloadId, Queued]]]]:
        running = [(WorkloadId(w), RunId(r)) for w, r in ask(connection, RUNNING)]
        queued = [
            (WorkloadId(w), Queued(EventId(e), RunId(r), BindingId(b), attempt, ready, ahead=False))
            for w, e, r, b, attempt, ready in ask(connection, WAITING)
        ]
        return self._lanes_in_force, (running, queued)

    def close(self) -> None:
        self._far_thread.submit(self._close_far).result()
        self._far_thread.shutdown()
        self.upkeep_thread.submit(self._close_checkpointer).result()
        self.upkeep_thread.shutdown()
        self.near.close()

    def _close_checkpointer(self) -> None:
        if self.checkpointer is not None:
            self.checkpointer.close()

    def _close_far(self) -> None:
        if self._far is not None:
            self._far.close()


def ask(
    db: apsw.Connection, statement: str, values: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Return all rows of a query: the door at which values have no type yet."""
    rows: list[tuple[Any, ...]] = db.execute(statement, tuple(values)).fetchall()
    return rows


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[apsw.Connection]:
    """Read everything inside as of one moment; a machine's fault is StoreUnavailable."""
    try:
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")
    except ENVIRONMENT as problem:
        raise StoreUnavailable(str(problem)) from problem


def highest_id(connection: apsw.Connection) -> int:
    there = {row[0] for row in ask(connection, "SELECT name FROM sqlite_master")}  # it may be old
    tables = (
        *("events", "runs", "revisions", "triggers", "workloads", "bindings", "tokens", "audit"),
        "deliveries",
    )
    highest = max(
        ask(connection, f"SELECT coalesce(max(id), 0) FROM {table} WHERE id < {LAST}")[0][0]  # noqa: S608 - our own names
        for table in tables
        if table in there
    )
    instance = ask(connection, "SELECT coalesce(max(instance), 0) FROM servers")
    return int(max(highest, instance[0][0]))
