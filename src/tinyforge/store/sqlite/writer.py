"""The one thread that writes: whatever is queued together becomes one commit."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition, Thread
from typing import Generic, Protocol, TypeVar

import apsw

from tinyforge.clock import Micros
from tinyforge.errors import StoreUnavailable
from tinyforge.store.sqlite.connection import ENVIRONMENT

T = TypeVar("T")
MOST_TOGETHER = 64
MOST_LOGGED = 4_096  # pages of 4 KiB, before a checkpoint of our own
PATIENCE = 16  # commits after which a background one has its turn


class Operation(Generic[T]):
    """One unit of work, stored whole or not at all, whatever shares its commit."""

    __slots__ = ("future", "on_failure", "problem", "results", "work")

    def __init__(
        self,
        work: Callable[[apsw.Connection], T],
        future: asyncio.Future[T],
        on_failure: Callable[[], None] | None,
    ) -> None:
        self.work = work
        self.future = future
        self.on_failure = on_failure
        self.results: list[T] = []
        self.problem: BaseException | None = None

    def perform(self, connection: apsw.Connection) -> None:
        self.results.append(self.work(connection))

    def fail(self, problem: BaseException) -> None:
        if self.problem is None and self.on_failure is not None:
            self.on_failure()
        self.problem = problem

    def settle(self) -> None:
        if self.future.done():
            return
        if self.problem is not None:
            self.future.set_exception(self.problem)
        else:
            self.future.set_result(self.results[0])


class Settles(Protocol):
    """An operation, whatever it returns."""

    def perform(self, connection: apsw.Connection) -> None: ...

    def fail(self, problem: BaseException) -> None: ...

    def settle(self) -> None: ...


class Writer:
    """Operations commit in the order of their submission; background ones in between."""

    def __init__(
        self, connection: apsw.Connection, on_commit: Callable[[int, Micros], None]
    ) -> None:
        self._connection = connection
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._wake = Condition()
        self._queue: deque[Settles] = deque()
        self._background: deque[Settles] = deque()
        self._closing = False
        self._groups = 0
        self._logged = 0  # pages in the write-ahead log
        connection.set_wal_hook(self._note_logged)
        self._thread = Thread(target=self._run, name="tinyforge-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[apsw.Connection], T],
        *,
        on_failure: Callable[[], None] | None = None,
        background: bool = False,
    ) -> asyncio.Future[T]:
        """Queue *work*; *on_failure* runs in this thread before any later operation begins."""
        future: asyncio.Future[T] = self._loop.create_future()
        operation = Operation(work, future, on_failure)
        with self._wake:
            queue = self._background if background else self._queue
            queue.append(operation)
            self._wake.notify()
        return future

    async def close(self) -> None:
        """Finish what is queued, then end the thread and the connection."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        self._connection.close()

    def _run(self) -> None:
        while group := self._next_group():
            if self._logged > MOST_LOGGED:
                self._make_room()
            began = time.monotonic_ns()
            self._commit(group)
            took = (time.monotonic_ns() - began) // 1_000
            try:
                self._loop.call_soon_threadsafe(self._settle, group, took)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _next_group(self) -> list[Settles]:
        with self._wake:
            while not self._queue and not self._background and not self._closing:
                self._wake.wait()
            queue = self._queue or self._background
            if self._background and self._groups % PATIENCE == 0:
                queue = self._background
            self._groups += 1
            return [queue.popleft() for _ in range(min(len(queue), MOST_TOGETHER))]

    def _note_logged(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._logged = pages
        return apsw.SQLITE_OK

    def _make_room(self) -> None:
        """Finish what the checkpointer has nearly done: the log begins anew only between commits.

        Whatever is wrong with the disk, the next commit says so to those who wait for it.
        """
        with suppress(apsw.Error):
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _settle(self, group: Sequence[Settles], took: Micros) -> None:
        for operation in group:
            operation.settle()
        self._on_commit(len(group), took)

    def _commit(self, group: Sequence[Settles]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for operation in group:
                self._perform(operation, alone=len(group) == 1)
            self._connection.execute("COMMIT")
        except BaseException as problem:  # noqa: BLE001 - whatever it was, each waiter is told
            self._roll_back()
            for operation in group:
                operation.fail(_translated(problem))

    def _perform(self, operation: Settles, *, alone: bool) -> None:
        if not alone:
            self._connection.execute("SAVEPOINT operation")
        try:
            operation.perform(self._connection)
        except ENVIRONMENT:
            raise
        except Exception as problem:
            if alone:
                raise
            operation.fail(problem)
            self._connection.execute("ROLLBACK TO operation")
        if not alone:
            self._connection.execute("RELEASE operation")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except apsw.Error:  # the error itself has rolled it back
                return


def _translated(problem: BaseException) -> BaseException:
    return StoreUnavailable(str(problem)) if isinstance(problem, ENVIRONMENT) else problem
