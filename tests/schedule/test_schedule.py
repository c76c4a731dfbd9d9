"""DESIGN section 3, sentence by sentence."""

from __future__ import annotations

import pytest

from tests.schedule.timetables import at
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, Moment
from tinyforge.schedule import words
from tinyforge.schedule.decide import decide, windows_of
from tinyforge.schedule.decision import Decision, Reason, Skipped, Span
from tinyforge.schedule.life import (
    adopt,
    clock_set_back,
    create,
    disable,
    edit,
    enable,
    pause,
    resume,
    set_last_fired,
)
from tinyforge.schedule.spec import (
    At,
    CatchUp,
    First,
    Interval,
    Spec,
    Stretch,
    Timetable,
    active_range,
    phase,
)

NOON = at(2026, 1, 5, 12)


def interval(every: int, **options: object) -> Spec:
    timetable = {k: options.pop(k) for k in ("spread", "phase", "active") if k in options}
    anchor = options.pop("anchor", None)
    timing = Interval(every=every, anchor=anchor)  # type: ignore[arg-type]
    return Spec(timetable=Timetable(timing=timing, **timetable), **options)  # type: ignore[arg-type]


def cron(text: str, zone: str = "UTC") -> Spec:
    return Spec(timetable=Timetable(timing=words.cron(text, zone)))


def once(moment: Moment) -> Spec:
    return Spec(timetable=Timetable(timing=At(moment)))


def fired(decision: Decision) -> Moment | None:
    return decision.fire.window if decision.fire else None


def skipped(reason: Reason, oldest: Moment, newest: Moment, count: int) -> Skipped:
    return Skipped(reason=reason, span=Span(oldest=oldest, newest=newest, count=count))


HOURLY = interval(HOUR)


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


def test_rule_8_an_unreadable_last_fired_at_is_never_fired() -> None:
    assert adopt(HOURLY, None, NOON) == create(HOURLY, NOON)


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


@pytest.mark.parametrize(("first", "due"), [(First.NOW, NOON), (First.WAIT, at(2026, 1, 6, 3))])
def test_first_decides_whether_creation_is_a_window(first: First, due: Moment) -> None:
    spec = Spec(timetable=cron("0 3 * * *").timetable, first=first)
    assert create(spec, NOON).due_at == due


def test_creation_before_the_active_range_opens_when_it_begins() -> None:
    spec = interval(HOUR, active=active_range(NOON + 90 * MINUTE, NOON + 3 * HOUR))
    created = create(spec, NOON)
    assert created.due_at == NOON + 90 * MINUTE
    opened = decide(spec, created.state, NOON + 90 * MINUTE)
    assert opened.due_at == NOON + 150 * MINUTE
    assert decide(spec, opened.state, NOON + 150 * MINUTE).due_at is None


def test_an_at_fires_once_and_one_that_has_passed_is_skipped() -> None:
    assert fired(decide(once(NOON), create(once(NOON), NOON).state, NOON)) == NOON
    passed = create(once(NOON), NOON + HOUR)
    assert passed.skipped == skipped(Reason.LATE, NOON, NOON, 1)
    assert passed.due_at is None


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


def test_a_pause_decides_nothing_and_a_resume_fires_the_newest() -> None:
    state = pause(HOURLY, adopt(HOURLY, NOON, NOON).state, NOON + MINUTE).state
    paused = decide(HOURLY, state, NOON + 9 * HOUR)
    assert (paused.fire, paused.due_at, paused.state) == (None, None, state)
    resumed = resume(HOURLY, state, NOON + 3 * HOUR + MINUTE)
    assert fired(resumed) == NOON + 3 * HOUR
    assert resumed.skipped == skipped(Reason.PAUSED, NOON + HOUR, NOON + 2 * HOUR, 2)
    assert resumed.fire is not None
    assert (resumed.fire.folded, resumed.fire.overdue) == (None, 2 * HOUR + MINUTE)


def test_a_resume_before_any_window_fires_nothing() -> None:
    state = pause(HOURLY, adopt(HOURLY, NOON, NOON).state, NOON + MINUTE).state
    resumed = resume(HOURLY, state, NOON + 2 * MINUTE)
    assert (resumed.fire, resumed.skipped, resumed.due_at) == (None, None, NOON + HOUR)


def test_a_resume_past_the_limit_skips_all_as_paused() -> None:
    spec = interval(HOUR, catch_up=CatchUp.SKIP)
    state = pause(spec, adopt(spec, NOON, NOON).state, NOON).state
    resumed = resume(spec, state, NOON + 2 * HOUR + MINUTE)
    assert resumed.fire is None
    assert resumed.skipped == skipped(Reason.PAUSED, NOON + HOUR, NOON + 2 * HOUR, 2)


def test_two_switches_and_both_must_be_on() -> None:
    state = pause(HOURLY, adopt(HOURLY, NOON, NOON).state, NOON).state
    state = disable(HOURLY, state, NOON).state
    half = resume(HOURLY, state, NOON + HOUR)
    assert (half.fire, half.due_at) == (None, None)
    assert fired(enable(HOURLY, half.state, NOON + HOUR)) == NOON + HOUR


def test_an_edit_never_fires_and_starts_an_epoch() -> None:
    daily = interval(DAY)
    state = adopt(daily, NOON, NOON).state
    edited = edit(daily, HOURLY, state, NOON + 5 * HOUR + MINUTE)
    assert (edited.fire, edited.epoch, edited.state.epoch) == (None, 1, 2)
    assert edited.due_at == NOON + 6 * HOUR


def test_an_edit_supersedes_what_was_undecided() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    edited = edit(HOURLY, interval(DAY), state, NOON + 2 * HOUR)
    assert edited.skipped == skipped(Reason.SUPERSEDED, NOON + HOUR, NOON + 2 * HOUR, 2)


def test_an_edit_while_paused_stays_paused() -> None:
    state = pause(HOURLY, adopt(HOURLY, NOON, NOON).state, NOON).state
    edited = edit(HOURLY, interval(DAY), state, NOON + HOUR)
    assert edited.due_at is None
    assert edited.state.paused_at == NOON
    assert edited.skipped == skipped(Reason.SUPERSEDED, NOON + HOUR, NOON + HOUR, 1)


@pytest.mark.parametrize(
    "same",
    [
        interval(words.duration("60m")),
        interval(HOUR, first=First.WAIT),
        interval(HOUR, catch_up=CatchUp.SKIP, max_late=MINUTE),
    ],
)
def test_what_moves_no_window_is_no_edit(same: Spec) -> None:
    state = adopt(HOURLY, NOON, NOON).state
    assert edit(HOURLY, same, state, NOON + 5 * HOUR).state == state


def test_broken_deleted_or_of_another_kind_supersedes_and_then_there_is_nothing() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    broken = edit(HOURLY, None, state, NOON + HOUR)
    assert broken.skipped == skipped(Reason.SUPERSEDED, NOON + HOUR, NOON + HOUR, 1)
    assert broken.due_at is None
    repaired = edit(None, HOURLY, broken.state, NOON + 90 * MINUTE)
    assert (repaired.skipped, repaired.due_at) == (None, NOON + 2 * HOUR)


def test_a_row_put_in_by_hand_catches_up_once() -> None:
    adopted = adopt(HOURLY, NOON, NOON + 5 * HOUR)
    assert adopted.due_at == NOON + HOUR
    caught_up = decide(HOURLY, adopted.state, NOON + 5 * HOUR)
    assert (fired(caught_up), caught_up.due_at) == (NOON + 5 * HOUR, NOON + 6 * HOUR)


def test_a_last_fired_at_of_the_future_counts_as_now() -> None:
    assert adopt(HOURLY, NOON + DAY, NOON).due_at == NOON + HOUR


def test_a_last_fired_at_changed_by_hand_becomes_the_base() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    moved = set_last_fired(HOURLY, state, NOON - 2 * HOUR, NOON + MINUTE)
    assert fired(decide(HOURLY, moved.state, NOON + MINUTE)) == NOON
    cleared = set_last_fired(HOURLY, state, None, NOON + MINUTE)
    assert cleared.due_at == NOON + MINUTE
    assert {moved.state.epoch, cleared.state.epoch} == {2}


def test_a_clock_set_back_silences_no_free_interval() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    again = clock_set_back(HOURLY, state, NOON - MINUTE)
    assert (again.state.epoch, again.due_at) == (2, NOON + HOUR - MINUTE)


@pytest.mark.parametrize(
    ("step", "epoch", "due"), [(2 * HOUR, 1, NOON + HOUR), (2 * HOUR + 1, 2, NOON - 2 * HOUR)]
)
def test_a_clock_set_back_repeats_no_cron_unless_it_was_far_off(
    step: int, epoch: int, due: Moment
) -> None:
    spec = cron("0 * * * *")
    again = clock_set_back(spec, create(spec, NOON).state, NOON - step)
    assert (again.state.epoch, again.due_at) == (epoch, due)


def test_a_clock_set_back_leaves_who_is_decided_alone() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    assert clock_set_back(HOURLY, state, NOON).state == state
    assert decide(HOURLY, state, NOON - DAY).state == state
