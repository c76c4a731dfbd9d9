"""Runs under lease: taken in batches, deployed side by side, their outcomes stored in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from tinyforge.clock import SECOND, Clock, Micros
from tinyforge.engine.fanout import FanOut
from tinyforge.engine.floor import Floor
from tinyforge.engine.followers import Ending, Followers
from tinyforge.engine.orders import Orders
from tinyforge.engine.runlog import LogKeeper
from tinyforge.engine.watch import Watch
from tinyforge.engine.worker import Bench, End, Order, Stop, Worker, cancelled, released
from tinyforge.errors import Conflict, StoreUnavailable
from tinyforge.ids import show
from tinyforge.model import EventDraft, Run, RunId, RunState
from tinyforge.observe.events import (
    DeploysDone,
    DeploysStopped,
    EndedRunLine,
    Observe,
    OutcomesRefused,
    RecordingFailed,
    RunsEnded,
    RunsStarted,
)
from tinyforge.store.port import Config, History, Lives, Runs, TakenRun

LOOK_EVERY: Micros = SECOND // 4  # at timeouts
AFTER_FAILURE: Micros = SECOND
TO_END: Micros = SECOND * 3 // 5  # for deploys that are told to end, before they are told again
DEPLOY_THREADS = "tinyforge-deploy"
MOST_TURNS = 2  # in flight
WORTH_A_TURN = 256  # outcomes
MOST_ENDS, FEW_ENDS = 10_000, 64  # of one turn
BREATHE_AFTER = 200  # deploys that never waited


class RunStore(Runs, Lives, Config, History, Protocol):
    """The roles that this room needs."""


@dataclass
class Runner:
    store: RunStore
    floor: Floor
    fanout: FanOut
    orders: Orders
    followers: Followers
    logs: LogKeeper
    clock: Clock
    observe: Observe
    watch: Watch
    _leased: deque[Order] = field(default_factory=deque)
    _ends: list[End] = field(default_factory=list)
    _untold: list[End] = field(default_factory=list)  # stored
    _workers: list[Worker] = field(default_factory=list)
    _idle: list[asyncio.Future[None]] = field(default_factory=list)
    _bench: Bench | None = None
    _closing: bool = False
    _failing: bool = False
    _in_flight: list[asyncio.Task[bool]] = field(default_factory=list)

    async def run(self) -> None:
        """Work until `close`; `drain` then ends what is under way."""
        while not self._closing:
            self._interrupt_overdue()
            self._let_go()
            if self._may_turn():
                self._begin_turn()
                await asyncio.sleep(0)  # its commit is under way while the last one's is told
            self._tell()
            await self._wait(AFTER_FAILURE if self._failing else LOOK_EVERY)
            self._reap_turns()
        await asyncio.gather(*self._in_flight)
        self._tell()

    async def turn(self) -> bool:
        """Store outcomes, take what may run, hand it to the workers; False: there was nothing."""
        try:
            return await self._try_turn()
        finally:
            self._tell()

    async def _try_turn(self) -> bool:
        try:
            return await self._turn()
        except StoreUnavailable as problem:
            self._failing = True
            self.observe(RecordingFailed(problem=problem.problem))
            return False

    async def _turn(self) -> bool:
        await self._take_arrived()
        share = self._share()
        ends, self._ends = self._ends[:share], self._ends[share:]
        if ends:
            self.observe(DeploysDone(runs=[end.finished.run.run_id for end in ends]))
        places = self.floor.offer(len(ends))
        try:
            drafts = await self._follow_ups(ends)
            finished = [end.finished for end in ends]
            done = await self.store.turn(finished, drafts, places, self.clock.now())
        except StoreUnavailable:
            self.floor.withdraw(places, len(ends))
            self._ends = ends + self._ends  # kept until it lands; the lease is ours meanwhile
            raise
        self._failing = False
        self.floor.begin(done.taken, places.free + places.ahead)
        self._untold += await self._stored(ends, done.stale)
        await self._take_arrived()
        await self.fanout.accept(done.events)
        return bool(ends or done.taken)

    def _may_turn(self) -> bool:
        """Say whether another turn is worth its commit while others are in flight."""
        if not self._in_flight:
            return True
        worth = min(WORTH_A_TURN, self._share())
        return len(self._in_flight) < MOST_TURNS and len(self._ends) >= worth

    def _share(self) -> int:
        """Return how many ends one turn stores: where runs wait for a place, half of what is held.

        So one half is deployed while the other is stored; of a few that would cost more than help.
        """
        if not self.floor.is_full:
            return MOST_ENDS
        return max(FEW_ENDS, (self.floor.held + 1) // MOST_TURNS)

    def _begin_turn(self) -> None:
        task = asyncio.create_task(self._try_turn())
        self._in_flight.append(task)
        task.add_done_callback(self._look_again)

    def _look_again(self, turn: asyncio.Task[bool]) -> None:
        """Go on at once after a turn that did something; an idle one waits for a change."""
        broke = turn.cancelled() or turn.exception() is not None
        if broke or (not self._failing and (turn.result() or self._ends)):
            self.floor.wake()

    def _reap_turns(self) -> None:
        """Forget turns that are over; one that raised ends the runner."""
        for task in [task for task in self._in_flight if task.done()]:
            self._in_flight.remove(task)
            task.result()

    def wake(self) -> None:
        self.floor.wake()

    def close(self) -> None:
        """Take nothing more; the turn in flight ends, and `run` with it."""
        self.floor.closed = True
        self._closing = True
        self.wake()

    async def cancel(self, run_id: RunId, actor: str) -> None:
        """End a run that is queued or running, here or on another server.

        NotFound, or Conflict where it is over.
        """
        await self._take_arrived()
        if not self.cancel_here(run_id):
            await self._cancel_elsewhere(run_id, actor)

    def cancel_here(self, run_id: RunId) -> bool:
        """End a run that we hold; False where we do not."""
        for order in self._leased:
            if order.run.run_id == run_id:
                self._leased.remove(order)
                self._note_end(cancelled(order, self.clock.now()))
                return True
        for worker in self._busy():
            if worker.order is not None and worker.order.run.run_id == run_id:
                worker.interrupt(Stop.CANCEL)
                return True
        return False

    async def drain(self, grace: Micros) -> int:
        """Stop softly: no new leases, a grace for what runs, the rest back to the queue."""
        self.floor.closed = True
        await self._take_arrived()
        count = len(self._leased)
        while self._leased:
            self._note_end(released(self._leased.popleft(), self.clock.now()))
        ends_at = self.clock.monotonic() + grace
        while self._busy() and self.clock.monotonic() < ends_at:
            await self._settle(min(LOOK_EVERY, ends_at - self.clock.monotonic()))
        busy = self._busy()
        for worker in busy:
            worker.interrupt(Stop.SHUTDOWN)
        await self._until_idle(TO_END)
        for worker in self._busy():
            worker.press()
        await self._until_idle(TO_END)
        await self._settle(0)
        self._dismiss()
        return count + len(busy)

    def _dismiss(self) -> None:
        for worker in self._workers:
            if worker.task is not None:
                worker.task.cancel()
        if self._bench is not None:
            self._bench.threads.shutdown(wait=False, cancel_futures=True)

    async def _until_idle(self, at_most: Micros) -> None:
        ends_at = self.clock.monotonic() + at_most
        while self._busy() and self.clock.monotonic() < ends_at:
            await self._settle(LOOK_EVERY // 5)

    async def _settle(self, at_most: Micros) -> None:
        self._interrupt_overdue()
        self._let_go()
        if at_most > 0:
            await self._wait(at_most)
        await self.turn()

    async def _wait(self, at_most: Micros) -> None:
        now = self.clock.now()
        ready_at = self.store.next_ready_at(now)
        if ready_at is not None and not self.floor.closed:
            at_most = min(at_most, ready_at - now)
        await self.clock.wait(self.floor.changed, at_most)

    async def _cancel_elsewhere(self, run_id: RunId, actor: str) -> None:
        run = await self.store.run(run_id)
        if run.state is RunState.RUNNING:
            await self.store.ask_to_cancel(run_id, actor, self.clock.now())
        elif run.state is RunState.QUEUED:
            await self._cancel_queued(run, actor)
        else:
            raise Conflict(f"{show('run', run_id)} is over: {run.state.word}")

    async def _cancel_queued(self, run: Run, actor: str) -> None:
        workload = await self.orders.workload(run.workload_id)
        event = await self.store.event(run.event_id)
        ending = Ending(
            run_id=run.id,
            attempt=run.attempt,
            workload=workload.name,
            state=RunState.CANCELLED,
            error=f"cancelled by {actor}",
        )
        drafts = await self.followers.drafts([(ending, event)])
        events = await self.store.cancel_queued(run.id, drafts, self.clock.now())
        await self.fanout.accept(events)

    async def _take_arrived(self) -> None:
        arrived = self.floor.arrived
        if not arrived:
            return
        taken = list(arrived)
        arrived.clear()
        try:
            self._leased.extend(await self.orders.prepare(taken))
        except StoreUnavailable:
            arrived.extendleft(reversed(taken))  # for the next turn
            raise
        self.observe(RunsStarted(runs=[run.run_id for run in taken]))
        self._employ()

    def _employ(self) -> None:
        """Wake idle workers, and hire more up to the limit."""
        wanted = len(self._leased)
        while wanted > 0 and self._idle:
            waiter = self._idle.pop()
            if not waiter.done():
                waiter.set_result(None)
                wanted -= 1
        while wanted > 0 and len(self._workers) < self.floor.concurrency:
            worker = Worker(self._shared())
            worker.task = asyncio.create_task(self._work(worker))
            self._workers.append(worker)
            wanted -= 1

    def _shared(self) -> Bench:
        if self._bench is None:
            self._bench = Bench(
                clock=self.clock,
                logs=self.logs,
                watch=self.watch,
                threads=ThreadPoolExecutor(self.floor.concurrency, DEPLOY_THREADS),
                ended=self._note_end,
            )
        return self._bench

    async def _work(self, worker: Worker) -> None:
        done = 0
        while True:
            while not self._leased:
                waiter = asyncio.get_running_loop().create_future()
                self._idle.append(waiter)
                await waiter
            order = self._leased.popleft()
            if not self.store.holds(order.run):
                self._note_end(released(order, self.clock.now()))
                continue
            await worker.deploy(order)
            done += 1
            if done % BREATHE_AFTER == 0:
                await asyncio.sleep(0)

    def _note_end(self, end: End) -> None:
        self._ends.append(end)
        self.floor.changed.set()

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.order is not None]

    def _interrupt_overdue(self) -> None:
        now = self.clock.monotonic()
        for worker in self._workers:
            if worker.order is not None and worker.deadline <= now:
                worker.interrupt(Stop.TIMEOUT)

    def _let_go(self) -> None:
        """Stop what is not ours for sure: another server may begin it soon."""
        now = self.clock.monotonic()
        stopped = [
            worker.order.run.run_id
            for worker in self._busy()
            if worker.order is not None
            and not self.store.holds(worker.order.run)
            and worker.let_go(now)
        ]
        if stopped:
            self.observe(DeploysStopped(runs=stopped))

    async def _follow_ups(self, ends: Sequence[End]) -> list[EventDraft]:
        """Return what follows from ends that will be stored: nothing follows from others' runs."""
        if not ends or not await self.followers.any():
            return []
        ours = [end for end in ends if self.store.holds(end.order.run)]
        return await self.followers.drafts([(_ending(end), end.order.event) for end in ours])

    async def _stored(self, ends: Sequence[End], stale: Sequence[TakenRun]) -> Sequence[End]:
        """Return the ends that are stored; a commit may have done it whose answer was lost."""
        refused = set()
        for taken in stale:
            run = await self.store.run(taken.run_id)
            if (run.owner, run.attempt) != (self.store.instance, taken.attempt):
                refused.add(taken.run_id)
        if refused:
            self.observe(OutcomesRefused(runs=sorted(refused)))
        return [end for end in ends if end.order.run.run_id not in refused]

    def _tell(self) -> None:
        """Say which ends are stored."""
        ends, self._untold = self._untold, []
        if ends:
            self.observe(RunsEnded(at=self.clock.now(), runs=[_line(end) for end in ends]))


def _line(end: End) -> EndedRunLine:
    workload, finished = end.order.workload, end.finished
    return EndedRunLine(
        run_id=finished.run.run_id,
        workload=workload.name,
        kind=workload.kind,
        state=finished.state,
        attempt=finished.run.attempt,
        took=finished.ended_at - finished.started_at,
        error=finished.error,
    )


def _ending(end: End) -> Ending:
    return Ending(
        run_id=end.order.run.run_id,
        attempt=end.order.run.attempt,
        workload=end.order.workload.name,
        state=end.finished.state,
        error=end.finished.error,
    )
