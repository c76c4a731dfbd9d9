"""The rule of deciding, sentence by sentence: windows, and what becomes of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.schedule.shorthand import HOURLY, NOON, cron, fired, interval, once, skipped
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND
from tinyforge.schedule.decide import decide, windows_of
from tinyforge.schedule.decision import Reason, Span
from tinyforge.schedule.life import (
    adopt,
    create,
    pause,
    resume,
)
from tinyforge.schedule.spec import (
    At,
    CatchUp,
    First,
    Spec,
    Stretch,
    Timetable,
    active_range,
    phase,
)


def test_rule_6_never_fired_is_due_at_once() -> None:
    assert create(HOURLY, NOON).due_at == NOON
    assert fired(decide(HOURLY, create(HOURLY, NOON).state, NOON)) == NOON


def test_rule_6_equality_fires() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    assert fired(decide(HOURLY, state, NOON + HOUR - 1)) is None
    assert fired(decide(HOURLY, state, NOON + HOUR)) == NOON + HOUR


@pytest.mark.parametrize("every", [0, -HOUR, 10 * SECOND - 1, 3_651 * DAY])
def test_rule_7_an_interval_out_of_bounds_makes_no_spec(every: int) -> None:
    with pytest.raises(ValueError, match="between 10 s and 3,650 d"):
        interval(every)


@pytest.mark.parametrize("spec", [cron("0 * * * *"), interval(HOUR, anchor=NOON - DAY)])
def test_rule_11_never_fired_warns_only_at_a_resume(spec: Spec) -> None:
    state = create(spec, NOON).state
    late = decide(spec, state, NOON + 5 * HOUR).fire
    resumed = resume(spec, pause(spec, state, NOON).state, NOON + 5 * HOUR).fire
    assert late is not None
    assert late.folded is not None
    assert late.overdue is None
    assert resumed is not None
    assert resumed.overdue == 4 * HOUR


def test_rule_11_more_than_two_intervals_fires_once_and_warns() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    just_in_time = decide(HOURLY, state, NOON + 2 * HOUR)
    late = decide(HOURLY, state, NOON + 5 * HOUR + MINUTE)
    assert just_in_time.fire is not None
    assert just_in_time.fire.overdue is None
    assert late.fire is not None
    assert late.fire.overdue == 4 * HOUR + MINUTE
    assert late.fire.folded == Span(oldest=NOON + HOUR, newest=NOON + 4 * HOUR, count=4)
    assert fired(decide(HOURLY, late.state, NOON + 5 * HOUR + MINUTE)) is None


def test_rule_11_a_cron_warns_when_a_window_was_passed_over() -> None:
    spec = cron("0 * * * *")
    state = adopt(spec, NOON, NOON).state
    one = decide(spec, state, NOON + HOUR + 50 * MINUTE).fire
    two = decide(spec, state, NOON + 2 * HOUR).fire
    assert (one and one.overdue, two and two.overdue) == (None, HOUR)


def test_a_fire_on_time_does_not_drift_and_a_late_one_moves_the_base() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    on_time = decide(HOURLY, state, NOON + HOUR + 30 * SECOND)
    late = decide(HOURLY, state, NOON + HOUR + 31 * SECOND)
    assert on_time.due_at == NOON + 2 * HOUR
    assert late.due_at == NOON + 2 * HOUR + 31 * SECOND


def test_an_anchored_interval_and_one_with_spread_never_drift() -> None:
    anchored = interval(HOUR, anchor=NOON, first=First.WAIT)
    spread = interval(HOUR, spread=HOUR, phase=7 * MINUTE)
    late = decide(anchored, create(anchored, NOON).state, NOON + HOUR + 20 * MINUTE)
    assert late.due_at == NOON + 2 * HOUR
    opening = decide(spread, create(spread, NOON).state, NOON + 20 * MINUTE)
    assert (fired(opening), opening.due_at) == (NOON + 7 * MINUTE, NOON + HOUR + 7 * MINUTE)


def test_a_phase_is_stable_and_below_its_spread() -> None:
    assert phase("nightly", MINUTE) == phase("nightly", MINUTE)
    assert all(0 <= phase(f"t{n}", MINUTE) < MINUTE for n in range(100))
    assert phase("nightly", 0) == 0


def test_at_goes_with_neither_first_nor_spread() -> None:
    with pytest.raises(ValueError, match="first"):
        Spec(timetable=Timetable(timing=At(NOON)), first=First.NOW)
    with pytest.raises(ValueError, match="spread"):
        Timetable(timing=At(NOON), spread=MINUTE)


@pytest.mark.parametrize(
    ("options", "late_by", "fires"),
    [
        ({}, 50 * MINUTE, True),
        ({"catch_up": CatchUp.SKIP}, 30 * SECOND, True),
        ({"catch_up": CatchUp.SKIP}, 31 * SECOND, False),
        ({"max_late": MINUTE}, MINUTE, True),
        ({"max_late": MINUTE}, MINUTE + 1, False),
        ({"catch_up": CatchUp.SKIP, "max_late": HOUR}, MINUTE, False),
    ],
)
def test_a_window_later_than_the_limit_is_skipped(
    options: dict[str, object], late_by: int, fires: bool
) -> None:
    spec = interval(HOUR, anchor=NOON, **options)
    decision = decide(spec, create(spec, NOON).state, NOON + HOUR + late_by)
    assert (decision.fire is not None) is fires
    assert (decision.skipped is None) is fires


def test_late_ones_are_skipped_and_of_the_rest_the_newest_fires() -> None:
    spec = interval(HOUR, anchor=NOON, max_late=2 * HOUR)
    decision = decide(spec, create(spec, NOON).state, NOON + 5 * HOUR + MINUTE)
    assert decision.skipped == skipped(Reason.LATE, NOON + HOUR, NOON + 3 * HOUR, 3)
    assert decision.fire is not None
    assert decision.fire.folded == Span(oldest=NOON + 4 * HOUR, newest=NOON + 4 * HOUR, count=1)
    assert decision.fire.window == NOON + 5 * HOUR


def test_folded_cron_windows_are_counted_up_to_a_hundred() -> None:
    spec = cron("* * * * *")
    state = create(spec, NOON).state
    few = decide(spec, state, NOON + 101 * MINUTE).fire
    many = decide(spec, state, NOON + 102 * MINUTE).fire
    assert few is not None
    assert few.folded is not None
    assert few.folded.count == 100
    assert many is not None
    assert many.folded is not None
    assert many.folded.count is None
    stretch = Stretch(many.folded.oldest - 1, many.folded.newest)
    assert windows_of(spec, state).count_in(stretch) == 101


def test_windows_exist_only_in_the_active_range() -> None:
    active = active_range(NOON + 2 * HOUR, NOON + 4 * HOUR)
    spec = interval(HOUR, first=First.WAIT, active=active)
    created = create(spec, NOON)
    assert created.due_at == NOON + 2 * HOUR
    decision = decide(spec, created.state, NOON + DAY)
    assert fired(decision) == NOON + 3 * HOUR
    assert decision.fire is not None
    assert decision.fire.folded == Span(oldest=NOON + 2 * HOUR, newest=NOON + 2 * HOUR, count=1)
    assert decision.due_at is None


@given(
    every=st.integers(10, 86_400),
    spread=st.integers(0, 86_400),
    ticks=st.lists(st.integers(0, 3 * DAY), min_size=1, max_size=8),
)
@settings(deadline=None)
def test_a_phase_never_moves_an_anchored_window(every: int, spread: int, ticks: list[int]) -> None:
    every, spread = every * SECOND, min(spread, every) * SECOND
    point = phase("often", spread)
    spec = interval(every, anchor=NOON, spread=spread, phase=point)
    now, state = NOON, create(spec, NOON).state
    for step in ticks:
        now += step
        decision = decide(spec, state, now)
        state = decision.state
        window = fired(decision)
        assert window is None or (window - NOON - point) % every == 0
        assert decision.due_at is not None
        assert (decision.due_at - NOON - point) % every == 0


@pytest.mark.parametrize(
    ("spec", "late_by"),
    [
        (HOURLY, 0),
        (HOURLY, 29 * SECOND),
        (HOURLY, 31 * SECOND),
        (HOURLY, HOUR),
        (HOURLY, 3 * HOUR),
        (interval(10 * SECOND), 25 * SECOND),
        (interval(HOUR, anchor=NOON, spread=HOUR, phase=7 * MINUTE), 50 * MINUTE),
        (interval(HOUR, active=active_range(None, NOON + HOUR + 1)), 31 * SECOND),
        (interval(HOUR, catch_up=CatchUp.SKIP), 31 * SECOND),
        (cron("*/5 * * * *", "Europe/Berlin"), SECOND),
        (cron("0 3 * * *", "Europe/Berlin"), 2 * DAY),
        (once(NOON + HOUR), SECOND),
    ],
)
def test_to_know_the_due_window_makes_deciding_quick_and_changes_nothing(
    spec: Spec, late_by: int
) -> None:
    for begun in (create(spec, NOON), adopt(spec, NOON, NOON), adopt(spec, NOON - 3 * DAY, NOON)):
        assert begun.due_at is not None
        now = max(begun.due_at, NOON) + late_by
        assert decide(spec, begun.state, now, begun.due_at) == decide(spec, begun.state, now)
