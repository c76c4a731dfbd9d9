"""The live queue of each workload, in memory: an index over it would dirty a page for each run.

Built from the queued and running rows at start, and again whenever a commit fails. Only workloads
that have anything queued or running are here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

from tinyforge.clock import Moment
from tinyforge.model import MOST_QUEUED, BindingId, EventId, Outcome, Queue, RunId, WorkloadId


class Queued(NamedTuple):
    event_id: EventId
    run_id: RunId
    binding_id: BindingId
    attempt: int  # of the attempt before
    ready_at: Moment
    ahead: bool  # may be leased before a worker is free


class Placed(NamedTuple):
    """What became of a run that was asked for. A refusal has no run."""

    refusal: Outcome | None = None
    running: bool = False
    superseded_by: RunId | None = None
    supersedes: RunId | None = None


BEGINS, WAITS = Placed(running=True), Placed()
BUSY, FULL = Placed(refusal=Outcome.SKIPPED_BUSY), Placed(refusal=Outcome.SKIPPED_FULL)
LATEST, EVERY, SKIP = (queue.value for queue in (Queue.LATEST, Queue.EVERY, Queue.SKIP))


class Lane:
    __slots__ = ("listed", "queue", "running")

    def __init__(self) -> None:
        self.running: RunId | None = None
        self.queue: deque[Queued] = deque()
        self.listed = False  # in one of the ready lists

    @property
    def is_idle(self) -> bool:
        return self.running is None and not self.queue

    def next_ready(self, now: Moment) -> Queued | None:
        """Return the oldest that waits for nothing but its turn."""
        for entry in self.queue:
            if entry.ready_at <= now:
                return entry
        return None

    def insert(self, entry: Queued) -> None:
        """Keep the order of acceptance, whenever the run arrives."""
        at = next((n for n, other in enumerate(self.queue) if entry < other), len(self.queue))
        self.queue.insert(at, entry)


Ready: TypeAlias = list[tuple[EventId, WorkloadId]]  # a heap: rows of one time share pages


class Lanes:
    """Begins the run whose event is the oldest, of all workloads that are idle."""

    def __init__(self) -> None:
        self._lanes: dict[WorkloadId, Lane] = {}
        self._ready: Ready = []
        self._ready_ahead: Ready = []
        self._waiting: list[tuple[Moment, WorkloadId]] = []
        self.queued = 0
        self.running = 0
        self.barred: frozenset[WorkloadId] = frozenset()

    def bar(self, barred: frozenset[WorkloadId], now: Moment) -> None:
        """Begin no run of *barred* workloads, and those of others again."""
        freed, self.barred = self.barred - barred, barred
        for workload_id in freed:
            lane = self._lanes.get(workload_id)
            if lane is not None:
                self._list(workload_id, lane, now)

    @property
    def unplaced(self) -> int:
        """Return how many runs wait that may not begin here."""
        lanes = (self._lanes.get(workload_id) for workload_id in self.barred)
        return sum(len(lane.queue) for lane in lanes if lane is not None)

    def restore(
        self,
        running: Iterable[tuple[WorkloadId, RunId]],
        queued: Iterable[tuple[WorkloadId, Queued]],
        now: Moment,
    ) -> None:
        for workload_id, run_id in running:
            self._lane(workload_id).running = run_id
            self.running += 1
        for workload_id, entry in queued:
            self._enqueue(workload_id, self._lane(workload_id), entry, now)

    def place(
        self, workload_id: WorkloadId, queue: str, entry: Queued, now: Moment, *, may_begin: bool
    ) -> Placed:
        """Give a new run its place: it begins, waits, is superseded, or is refused."""
        lane = self._lanes.get(workload_id)
        if lane is None:
            lane = self._lanes[workload_id] = Lane()
            may_begin = may_begin and not self._ready and workload_id not in self.barred
            if may_begin and entry.ready_at <= now:
                lane.running = entry.run_id
                self.running += 1
                return BEGINS
        elif queue == SKIP:
            return BUSY
        elif queue == EVERY:
            if len(lane.queue) >= MOST_QUEUED:
                return FULL
        elif lane.queue:
            return self._place_latest(workload_id, lane, entry, now)
        self._enqueue(workload_id, lane, entry, now)
        return WAITS

    def _place_latest(
        self, workload_id: WorkloadId, lane: Lane, entry: Queued, now: Moment
    ) -> Placed:
        newest = lane.queue[-1]
        if newest.event_id > entry.event_id:
            return Placed(superseded_by=newest.run_id)
        lane.queue.pop()
        self.queued -= 1
        self._enqueue(workload_id, lane, entry, now)
        return Placed(supersedes=newest.run_id)

    def put_back(
        self, workload_id: WorkloadId, queue: str, entry: Queued, now: Moment
    ) -> RunId | None:
        """Queue a run again; return the newer one that supersedes it instead, if any."""
        lane = self._lanes.get(workload_id)
        if queue == LATEST and lane is not None and lane.queue:
            newest = lane.queue[-1]
            if newest.event_id > entry.event_id:
                return newest.run_id
        self._enqueue(workload_id, self._lane(workload_id), entry, now)
        return None

    def ended(self, workload_id: WorkloadId, run_id: RunId, now: Moment) -> None:
        """Free the workload for its next run."""
        lane = self._lanes.get(workload_id)
        if lane is None or lane.running != run_id:
            return
        lane.running = None
        self.running -= 1
        self._list(workload_id, lane, now)

    def remove(self, workload_id: WorkloadId, run_id: RunId) -> bool:
        """Take a queued run out; False if it is not queued."""
        lane = self._lanes.get(workload_id)
        if lane is None:
            return False
        for entry in lane.queue:
            if entry.run_id == run_id:
                lane.queue.remove(entry)
                self.queued -= 1
                self._forget_if_idle(workload_id, lane)
                return True
        return False

    def take(self, places: int, ahead: int, now: Moment) -> list[tuple[WorkloadId, Queued]]:
        """Begin up to *places* runs, and *ahead* more of those that may be leased early."""
        self._wake(now)
        taken: list[tuple[WorkloadId, Queued]] = []
        while len(taken) < places and (ready := self._longest_waiting()):
            self._begin(heappop(ready)[1], now, taken)
        if not self._ready:  # who may not be leased ahead must not wait for those who may
            while self._ready_ahead and len(taken) < places + ahead:
                self._begin(heappop(self._ready_ahead)[1], now, taken, early=True)
        return taken

    def _longest_waiting(self) -> Ready | None:
        """Return the list that has the older event; None: both are empty."""
        if not self._ready or not self._ready_ahead:
            return self._ready or self._ready_ahead or None
        return min(self._ready, self._ready_ahead)

    def has_ready(self, now: Moment) -> bool:
        self._wake(now)
        return bool(self._ready or self._ready_ahead)

    def next_ready_at(self, now: Moment) -> Moment | None:
        self._wake(now)
        return self._waiting[0][0] if self._waiting else None

    def _begin(
        self,
        workload_id: WorkloadId,
        now: Moment,
        taken: list[tuple[WorkloadId, Queued]],
        *,
        early: bool = False,
    ) -> None:
        """Begin the workload's next run; *early*: only if it may be leased ahead."""
        lane = self._lanes.get(workload_id)
        if lane is None:
            return
        lane.listed = False
        if workload_id in self.barred:
            return
        entry = None if lane.running is not None else lane.next_ready(now)
        if entry is None or (early and not entry.ahead):
            self._list(workload_id, lane, now)
            return
        lane.queue.remove(entry)
        lane.running = entry.run_id
        self.queued -= 1
        self.running += 1
        taken.append((workload_id, entry))

    def _lane(self, workload_id: WorkloadId) -> Lane:
        lane = self._lanes.get(workload_id)
        if lane is None:
            lane = self._lanes[workload_id] = Lane()
        return lane

    def _enqueue(self, workload_id: WorkloadId, lane: Lane, entry: Queued, now: Moment) -> None:
        queue = lane.queue
        if not queue or queue[-1].event_id < entry.event_id:
            queue.append(entry)
        else:
            lane.insert(entry)
        self.queued += 1
        if lane.running is None and not lane.listed:
            self._list(workload_id, lane, now)

    def _list(self, workload_id: WorkloadId, lane: Lane, now: Moment) -> None:
        """Note where an idle lane will be looked for."""
        if lane.running is not None or lane.listed:
            return
        if not lane.queue:
            self._forget_if_idle(workload_id, lane)
            return
        if workload_id in self.barred:
            return
        entry = lane.next_ready(now)
        if entry is None:
            heappush(self._waiting, (min(e.ready_at for e in lane.queue), workload_id))
            return
        lane.listed = True
        ready = self._ready_ahead if entry.ahead else self._ready
        heappush(ready, (entry.event_id, workload_id))

    def _wake(self, now: Moment) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, workload_id = heappop(self._waiting)
            lane = self._lanes.get(workload_id)
            if lane is not None:
                self._list(workload_id, lane, now)

    def _forget_if_idle(self, workload_id: WorkloadId, lane: Lane) -> None:
        if lane.is_idle:
            del self._lanes[workload_id]
