"""The live queues against a plain model of them, through whatever may happen to a run."""

from __future__ import annotations

from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tinyforge.model import BindingId, EventId, Outcome, Queue, RunId, WorkloadId
from tinyforge.store.sqlite.lanes import Lanes, Queued

POLICIES = {WorkloadId(1): Queue.LATEST, WorkloadId(2): Queue.EVERY, WorkloadId(3): Queue.SKIP}
POLICIES |= {WorkloadId(4): Queue.LATEST, WorkloadId(5): Queue.EVERY}
workloads = st.sampled_from(sorted(POLICIES))
delays = st.sampled_from([0, 0, 0, 5, 30])


class Queues(RuleBasedStateMachine):
    """Everything that the store does to the queues; the model keeps plain lists."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000
        self.runs = count(1)
        self.lanes = Lanes()
        self.running: dict[WorkloadId, Queued] = {}
        self.queued: dict[WorkloadId, list[Queued]] = {number: [] for number in POLICIES}

    @rule(
        workload=workloads,
        event=st.integers(1, 60),
        delay=delays,
        ahead=st.booleans(),
        may=st.booleans(),
    )
    def ask(self, workload: WorkloadId, event: int, delay: int, ahead: bool, may: bool) -> None:
        run = RunId(next(self.runs))
        entry = Queued(EventId(event), run, BindingId(run), 0, self.now + delay, ahead)
        waiting, policy = self.queued[workload], POLICIES[workload]
        placed = self.lanes.place(workload, policy, entry, self.now, may_begin=may and ahead)
        busy = workload in self.running or bool(waiting)
        if placed.running:
            assert (may, ahead, busy, delay) == (True, True, False, 0)
            self.running[workload] = entry
        elif placed.refusal is not None:
            assert placed.refusal is Outcome.SKIPPED_BUSY
            assert (policy, busy) == (Queue.SKIP, True)
        elif placed.superseded_by is not None:
            assert policy is Queue.LATEST
            assert placed.superseded_by == waiting[-1].run_id
            assert waiting[-1].event_id > entry.event_id
        else:
            assert not (policy is Queue.SKIP and busy)
            if placed.supersedes is not None:
                assert policy is Queue.LATEST
                assert placed.supersedes == waiting.pop().run_id
            self.add(workload, entry)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), again=st.booleans(), delay=delays)
    def end(self, data: st.DataObject, again: bool, delay: int) -> None:
        workload = data.draw(st.sampled_from(sorted(self.running)))
        entry = self.running.pop(workload)
        self.lanes.ended(workload, entry.run_id, self.now)
        if not again:
            return
        entry = entry._replace(attempt=entry.attempt + 1, ready_at=self.now + delay)
        newest = self.queued[workload][-1:]
        by = self.lanes.put_back(workload, POLICIES[workload], entry, self.now)
        if by is None:
            self.add(workload, entry)
        else:
            assert POLICIES[workload] is Queue.LATEST
            assert (newest[0].run_id, newest[0].event_id > entry.event_id) == (by, True)

    @rule(workload=workloads)
    def end_of_something_else(self, workload: WorkloadId) -> None:
        self.lanes.ended(workload, RunId(10_000), self.now)

    @rule(data=st.data(), workload=workloads)
    def cancel(self, data: st.DataObject, workload: WorkloadId) -> None:
        waiting = self.queued[workload]
        if not waiting:
            assert not self.lanes.remove(workload, RunId(10_000))
            return
        entry = data.draw(st.sampled_from(waiting))
        assert self.lanes.remove(workload, entry.run_id)
        waiting.remove(entry)

    @rule(places=st.integers(0, 3), ahead=st.integers(0, 3))
    def take(self, places: int, ahead: int) -> None:
        self.took(self.lanes.take(places, ahead, self.now), places, ahead)

    @rule()
    def take_all(self) -> None:
        could = {number for number in POLICIES if number not in self.running and self.ready(number)}
        taken = self.lanes.take(100, 0, self.now)
        assert {workload for workload, _ in taken} == could
        self.took(taken, 100, 0)
        assert not self.lanes.has_ready(self.now)

    @rule(by=st.integers(0, 40))
    def time_goes_by(self, by: int) -> None:
        self.now += by

    @rule()
    def a_commit_fails(self) -> None:
        """Read the queues again from what the file says."""
        self.lanes = Lanes()
        running = [(workload, entry.run_id) for workload, entry in self.running.items()]
        queued = [(w, entry) for w, entries in self.queued.items() for entry in entries]
        self.lanes.restore(running, queued, self.now)

    @invariant()
    def counts_are_right(self) -> None:
        assert self.lanes.running == len(self.running)
        assert self.lanes.queued == sum(map(len, self.queued.values()))

    @invariant()
    def nobody_sleeps_over_a_run(self) -> None:
        """Look at a run that waits for its moment alone then, at the latest."""
        moments = [
            min(entry.ready_at for entry in entries)
            for workload, entries in self.queued.items()
            if entries and workload not in self.running
        ]
        if moments and not self.lanes.has_ready(self.now):
            looks_at = self.lanes.next_ready_at(self.now)
            assert looks_at is not None
            assert self.now < looks_at <= min(moments)

    def took(self, taken: list[tuple[WorkloadId, Queued]], places: int, ahead: int) -> None:
        assert len(taken) <= places + ahead
        assert len([entry for _, entry in taken if not entry.ahead]) <= places
        for workload, entry in taken:
            assert workload not in self.running
            assert entry == self.ready(workload)[0]
            self.queued[workload].remove(entry)
            self.running[workload] = entry

    def ready(self, workload: WorkloadId) -> list[Queued]:
        return [entry for entry in self.queued[workload] if entry.ready_at <= self.now]

    def add(self, workload: WorkloadId, entry: Queued) -> None:
        """Keep the order of acceptance; of one event, of the runs."""
        self.queued[workload].append(entry)
        self.queued[workload].sort(key=lambda one: (one.event_id, one.run_id))


Queues.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestQueues = Queues.TestCase
