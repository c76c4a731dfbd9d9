from __future__ import annotations

from tinyforge.clock import SECOND, Micros
from tinyforge.observe.events import ListingFailed, Recorded, RecordingFailed, TickBegan
from tinyforge.observe.ready import Readiness

TICK = 30 * SECOND


class Stopwatch:
    reading: Micros = 1_000_000

    def __call__(self) -> Micros:
        return self.reading


def test_not_ready_before_the_first_sweep_was_recorded() -> None:
    readiness = Readiness(Stopwatch(), TICK)
    readiness(TickBegan())
    assert readiness.problem() == "no sweep was recorded yet: the server is starting"
    readiness(Recorded(at=0))
    assert readiness.problem() is None


def test_two_ticks_without_a_record_are_one_too_many() -> None:
    stopwatch = Stopwatch()
    readiness = Readiness(stopwatch, TICK)
    readiness(Recorded(at=0))
    stopwatch.reading += 2 * TICK
    readiness(ListingFailed(problem="disk"))
    assert readiness.problem() is None
    stopwatch.reading += SECOND + 1
    assert "no sweep was recorded for 61 s" in str(readiness.problem())


def test_a_failure_to_record_says_why_until_the_next_record() -> None:
    readiness = Readiness(Stopwatch(), TICK)
    readiness(Recorded(at=0))
    readiness(RecordingFailed(problem="the disk is full"))
    assert readiness.problem() == "windows cannot be recorded: the disk is full"
    readiness(Recorded(at=1))
    assert readiness.problem() is None
