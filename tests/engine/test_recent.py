"""What fired a moment ago is known without a look at the file."""

from __future__ import annotations

from tests.engine.house import BEGIN
from tinyforge.engine.recent import Fresh, Recent
from tinyforge.model import Event, EventId, TriggerId


def fresh(number: int) -> Fresh:
    event = Event(id=EventId(number), trigger_id=TriggerId(1), accepted_at=BEGIN)
    return Fresh(event, "nightly", "schedule")


def test_the_newest_are_kept_and_the_oldest_are_dropped() -> None:
    recent = Recent(most=10)
    for number in range(100):
        recent.note([fresh(number)])
    kept = recent.known([EventId(number) for number in range(100)])
    assert set(kept) >= set(range(95, 100))
    assert len(kept) <= 10
    assert kept[EventId(99)] == fresh(99)


def test_of_an_unknown_fire_there_is_nothing() -> None:
    assert Recent().known([EventId(1)]) == {}
