"""The live queues, where no other test looks."""

from __future__ import annotations

from tinyforge.clock import MINUTE
from tinyforge.model import BindingId, EventId, RunId, WorkloadId
from tinyforge.store.sqlite.lanes import Lanes, Queued
from tinyforge.testing.clock import NEW_YEAR_2026 as NOW


def test_what_has_become_ready_is_not_waited_for() -> None:
    lanes = Lanes()
    late = Queued(EventId(1), RunId(2), BindingId(3), 0, NOW + MINUTE, ahead=False)
    lanes.place(WorkloadId(4), "every", late, NOW, may_begin=False)
    assert lanes.next_ready_at(NOW) == NOW + MINUTE
    assert lanes.next_ready_at(NOW + MINUTE) is None
    assert lanes.has_ready(NOW + MINUTE)
    assert lanes.take(0, 9, NOW + MINUTE) == []
    assert [entry for _, entry in lanes.take(1, 0, NOW + MINUTE)] == [late]


def test_the_run_of_the_oldest_event_begins_first_whoever_became_idle_first() -> None:
    lanes = Lanes()
    for event, workload in ((1, 7), (2, 8), (3, 8), (4, 7)):
        entry = Queued(EventId(event), RunId(event), BindingId(workload), 0, NOW, ahead=True)
        lanes.place(WorkloadId(workload), "every", entry, NOW, may_begin=False)
    assert [entry.event_id for _, entry in lanes.take(2, 0, NOW)] == [1, 2]
    lanes.ended(WorkloadId(7), RunId(1), NOW)
    lanes.ended(WorkloadId(8), RunId(2), NOW)
    assert [entry.event_id for _, entry in lanes.take(0, 2, NOW)] == [3, 4]
