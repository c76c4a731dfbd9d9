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
