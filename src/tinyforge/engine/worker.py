"""One run at a time: deploy it, and say how that ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from tinyforge.clock import DAY, SECOND, Clock, Micros, Moment
from tinyforge.engine.runlog import LogKeeper, RunLines
from tinyforge.engine.watch import Watch
from tinyforge.errors import DeployFailed
from tinyforge.ids import show
from tinyforge.kinds import DeployContext, WorkloadKind
from tinyforge.model import Event, RunState, Workload
from tinyforge.store.port import Finished, TakenRun

ATTEMPT_LINES = 1_000_000  # numbers of log chunks that one attempt has for itself
LONGEST_ERROR = 2_000
TO_LET_GO: Micros = 2 * SECOND  # what trust in a lease ends before the lease is longer than that
LOST = "stopped, for its lease was about to end: the database was out of reach"


class Stop(StrEnum):
    """Why a deploy is ended from outside."""

    TIMEOUT = "timed_out"
    CANCEL = "cancelled"
    SHUTDOWN = "released"
    LOST = "lost"


class Order(Struct, frozen=True, kw_only=True, gc=False):
    """A taken run with everything its deploy needs. No kind: *refusal* says why not."""

    run: TakenRun
    event: Event
    workload: Workload
    kind: WorkloadKind | None
    refusal: str = ""
    is_async: bool = True  # the kind's deploy; a plain `def` runs in a thread
    trigger: str
    trigger_kind: str


class End(Struct, frozen=True, kw_only=True, gc=False):
    """How an attempt ended."""

    order: Order
    finished: Finished


@dataclass
class Bench:
    """What all workers share."""

    clock: Clock
    logs: LogKeeper
    watch: Watch
    threads: Executor
    ended: Callable[[End], None]


@dataclass
class Worker:
    bench: Bench
    order: Order | None = None  # until its end is noted
    deploying: bool = False
    deadline: Micros = 0  # monotonic
    stop: Stop | None = None
    task: asyncio.Task[None] | None = None
    kill_at: Micros | None = None  # monotonic

    def let_go(self, now: Micros) -> bool:
        """End the deploy before its lease ends, softly and then not; True the first time."""
        if not self.deploying:
            return False
        if self.kill_at is None:
            self.kill_at = now + TO_LET_GO
            self.interrupt(Stop.LOST)
            return True
        if now >= self.kill_at:
            self.kill_at = now + DAY  # a third cancellation would not wait for its death
            self.press()
        return False

    def interrupt(self, why: Stop) -> None:
        """End the deploy under way; a plain `def` cannot be interrupted, and ends by itself."""
        if not self.deploying or self.stop is not None:
            return
        self.stop = why
        self.press()

    def press(self) -> None:
        """Cancel the deploy; again, where it is still putting things in order."""
        if not self.deploying or self.order is None or self.task is None:
            return
        if self.order.is_async:
            self.task.cancel()

    async def deploy(self, order: Order) -> None:
        """Do one run to its end, whatever happens in it."""
        self.order, self.stop, self.kill_at = order, None, None
        try:
            await self._to_its_end(order)
        finally:
            self.order = None

    async def _to_its_end(self, order: Order) -> None:
        bench = self.bench
        self.deploying = True
        self.deadline = bench.clock.monotonic() + order.workload.timeout
        began = bench.clock.now()
        log = bench.logs.open(order.run.run_id, order.run.attempt * ATTEMPT_LINES)
        try:
            outcome, error, retryable = await self._guarded(order, log)
            if self.stop is not None:
                await self._absorb()
        finally:
            self.deploying = False
        if log.is_touched:
            await bench.logs.close(log)
        bench.ended(_end(order, (outcome, error, retryable), began, bench.clock.now()))

    async def _guarded(self, order: Order, log: RunLines) -> tuple[str, str | None, bool]:
        """Return outcome, error and whether another attempt may help."""
        if order.kind is None:
            return "failed", order.refusal, False
        self.bench.watch.doing = order.workload.name
        try:
            await self._run_kind(order.kind, order, log)
        except DeployFailed as failure:
            return "failed", str(failure)[:LONGEST_ERROR], failure.retryable
        except asyncio.CancelledError:
            return self._stopped(order)
        except (Exception, SystemExit) as bug:  # noqa: BLE001 - plugin code; a bug there is that run's failure
            text = f"bug in {order.workload.kind}: {type(bug).__name__}: {bug}"
            return "failed", text[:LONGEST_ERROR], True
        if self.stop is Stop.TIMEOUT:
            return self._stopped(order)
        return "succeeded", None, False

    async def _absorb(self) -> None:
        """Take in cancellations that came as the deploy ended, before they hit what follows."""
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        while self.task is not None and self.task.cancelling():
            self.task.uncancel()

    async def _run_kind(self, kind: WorkloadKind, order: Order, log: RunLines) -> None:
        context = _context(order, log)
        if order.is_async:
            done = kind.deploy(context)
            if done is not None:
                await done
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.bench.threads, kind.deploy, context)

    def _stopped(self, order: Order) -> tuple[str, str | None, bool]:
        if self.stop is None:
            raise asyncio.CancelledError  # the worker itself is ended, not this run
        if self.stop is Stop.TIMEOUT:
            return Stop.TIMEOUT, f"timed out after {order.workload.timeout // SECOND} s", True
        return self.stop, LOST if self.stop is Stop.LOST else None, False


def _context(order: Order, log: RunLines) -> DeployContext:
    return DeployContext(
        run=show("run", order.run.run_id),
        attempt=order.run.attempt,
        workload=order.workload.name,
        trigger=order.trigger,
        trigger_kind=order.trigger_kind,
        event_id=show("evt", order.event.id),
        event=order.event,
        log=log,
    )


def _end(order: Order, result: tuple[str, str | None, bool], began: Moment, now: Moment) -> End:
    outcome, error, retryable = result
    state, ready_at = _state(order, outcome, retryable, now)
    return End(
        order=order,
        finished=Finished(
            run=order.run,
            state=state,
            started_at=began,
            ended_at=now,
            outcome=outcome,
            error=error,
            ready_at=ready_at,
            queue=order.workload.queue,
            counted=outcome != Stop.SHUTDOWN,
        ),
    )


def _state(order: Order, outcome: str, retryable: bool, now: Moment) -> tuple[RunState, Moment]:
    retry, attempt = order.workload.retry, order.run.attempt
    if outcome == "succeeded":
        return RunState.SUCCEEDED, now
    if outcome == Stop.CANCEL:
        return RunState.CANCELLED, now
    if outcome == Stop.SHUTDOWN or (outcome == Stop.LOST and order.run.repeatable):
        return RunState.QUEUED, now
    if outcome == Stop.LOST:
        return RunState.INTERRUPTED, now
    if retryable and attempt < retry.attempts:
        return RunState.QUEUED, now + retry.backoff * 2 ** (attempt - 1)
    return RunState.FAILED, now


def released(order: Order, now: Moment) -> End:
    """Give a run back that was leased and never begun."""
    return _end(order, (Stop.SHUTDOWN, None, False), now, now)


def cancelled(order: Order, now: Moment) -> End:
    """End a run that was leased and never begun."""
    return _end(order, (Stop.CANCEL, "cancelled before it began", False), now, now)
