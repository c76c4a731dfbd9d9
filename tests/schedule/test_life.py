"""The life of a schedule, sentence by sentence: what happens to a schedule besides time."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.schedule.shorthand import HOURLY, NOON, cron, fired, interval, once, skipped
from tests.schedule.timetables import at
from tinyforge.clock import DAY, HOUR, MINUTE, Moment
from tinyforge.schedule import words
from tinyforge.schedule.decide import decide
from tinyforge.schedule.decision import EpochReason, Notice, Reason
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
    CatchUp,
    First,
    Spec,
    active_range,
)


def test_rule_8_an_unreadable_last_fired_at_is_never_fired() -> None:
    assert adopt(HOURLY, None, NOON) == create(HOURLY, NOON)


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
    assert passed.notice is Notice.AT_HAS_PASSED


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
    adopted = adopt(HOURLY, NOON + DAY, NOON)
    assert adopted.due_at == NOON + HOUR
    assert adopted.notice is Notice.LAST_FIRED_IN_FUTURE
    assert adopt(HOURLY, NOON, NOON).notice is None


def test_a_last_fired_at_changed_by_hand_begins_a_free_interval_again() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    moved = set_last_fired(HOURLY, state, NOON - 2 * HOUR, NOON + MINUTE)
    assert (moved.why, moved.before_until) == (EpochReason.LAST_FIRED_CHANGED, NOON)
    begun = moved.state
    assert begun.since == begun.base == begun.decided_until == NOON - 2 * HOUR
    caught_up = decide(HOURLY, begun, NOON + MINUTE)
    assert (fired(caught_up), caught_up.epoch) == (NOON, 2)


@pytest.mark.parametrize("spec", [HOURLY, cron("0 * * * *"), interval(HOUR, anchor=NOON)])
def test_a_last_fired_at_cleared_by_hand_is_creation_again(spec: Spec) -> None:
    state = pause(spec, adopt(spec, NOON, NOON).state, NOON).state
    cleared = set_last_fired(spec, state, None, NOON + MINUTE)
    again = create(spec, NOON + MINUTE).state
    assert cleared.why is EpochReason.LAST_FIRED_CLEARED
    assert cleared.state == replace(again, epoch=2, paused_at=NOON)


@pytest.mark.parametrize("spec", [cron("0 * * * *"), interval(HOUR, anchor=NOON), None])
def test_of_others_only_the_column_changes(spec: Spec | None) -> None:
    state = adopt(HOURLY, NOON, NOON).state
    moved = set_last_fired(spec, state, NOON - DAY, NOON + MINUTE)
    assert moved.state == replace(state, last_fired_at=NOON - DAY)
    assert moved.why is None
    ahead = set_last_fired(spec, state, NOON + DAY, NOON + MINUTE)
    assert ahead.state.last_fired_at == NOON + MINUTE
    assert ahead.notice is Notice.LAST_FIRED_IN_FUTURE


def test_without_a_spec_even_a_cleared_one_is_only_a_column() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    assert set_last_fired(None, state, None, NOON).state == replace(state, last_fired_at=None)


def test_every_epoch_says_why_it_began_and_where_the_one_before_ended() -> None:
    created = create(HOURLY, NOON)
    edited = edit(HOURLY, interval(DAY), created.state, NOON + MINUTE)
    closed = edit(interval(DAY), None, edited.state, NOON + HOUR)
    repaired = edit(None, HOURLY, closed.state, NOON + 2 * HOUR)
    back = clock_set_back(HOURLY, repaired.state, NOON)
    told = [(d.why, d.before_until) for d in (created, edited, closed, repaired, back)]
    assert told == [
        (EpochReason.CREATED, None),
        (EpochReason.EDITED, NOON + MINUTE),
        (EpochReason.CLOSED, NOON + HOUR),
        (EpochReason.REPAIRED, NOON + 2 * HOUR),
        (EpochReason.CLOCK_SET_BACK, NOON + 2 * HOUR),
    ]
    assert adopt(HOURLY, NOON, NOON).why is EpochReason.ADOPTED
    assert decide(HOURLY, created.state, NOON).why is None
    assert edit(HOURLY, HOURLY, created.state, NOON).why is None


def test_an_edit_keeps_the_base_and_drops_the_opening() -> None:
    state = create(HOURLY, NOON).state
    edited = edit(HOURLY, interval(DAY), state, NOON + MINUTE)
    assert (edited.state.base, edited.state.opening) == (NOON + MINUTE, None)
    assert edited.due_at == NOON + MINUTE + DAY
    daily = adopt(interval(DAY), NOON, NOON).state
    faster = edit(interval(DAY), interval(10 * MINUTE), daily, NOON + 25 * MINUTE)
    assert (faster.state.base, faster.due_at) == (NOON, NOON + 30 * MINUTE)


def test_an_edit_under_a_clock_that_went_back_begins_where_all_is_decided() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    edited = edit(HOURLY, cron("* * * * *"), state, NOON - MINUTE)
    assert edited.state.since == edited.state.decided_until == NOON
    assert edited.due_at == NOON + MINUTE


def test_an_edit_to_an_at_that_has_passed_fires_nothing() -> None:
    edited = edit(HOURLY, once(NOON), adopt(HOURLY, NOON, NOON).state, NOON + MINUTE)
    assert (edited.fire, edited.due_at) == (None, None)


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


def test_a_clock_set_back_from_a_far_future_silences_nothing_that_is_repaired_later() -> None:
    year = 365 * DAY
    closed = edit(HOURLY, None, adopt(HOURLY, NOON + year, NOON + year).state, NOON + year)
    back = clock_set_back(None, closed.state, NOON)
    assert (back.why, back.due_at) == (EpochReason.CLOCK_SET_BACK, None)
    assert edit(None, HOURLY, back.state, NOON + MINUTE).due_at == NOON + HOUR
    assert clock_set_back(None, closed.state, NOON + year - HOUR).why is None


def test_a_clock_set_back_creates_again_what_never_fired() -> None:
    back = clock_set_back(HOURLY, create(HOURLY, NOON).state, NOON - HOUR)
    assert (back.state.opening, back.due_at) == (NOON - HOUR, NOON - HOUR)


def test_a_clock_set_back_keeps_who_rests_at_rest() -> None:
    state = disable(HOURLY, adopt(HOURLY, NOON, NOON).state, NOON).state
    back = clock_set_back(HOURLY, state, NOON - DAY)
    assert (back.state.disabled_at, back.due_at, back.state.epoch) == (NOON, None, 2)


def test_lifting_one_of_two_switches_decides_nothing_whichever_it_is() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    both = disable(HOURLY, pause(HOURLY, state, NOON).state, NOON).state
    half = enable(HOURLY, both, NOON + 5 * HOUR)
    assert (half.fire, half.skipped, half.due_at) == (None, None, None)
    assert half.state.decided_until == NOON
    assert fired(resume(HOURLY, half.state, NOON + 5 * HOUR)) == NOON + 5 * HOUR
