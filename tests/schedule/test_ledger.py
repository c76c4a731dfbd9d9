"""A true ledger proves itself; each way to spoil it is found and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from tests.schedule.books import Book
from tests.schedule.timetables import at
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, Moment
from tinyforge.schedule.decide import decide
from tinyforge.schedule.decision import Decision, EpochReason, State
from tinyforge.schedule.ledger import (
    MOST_FAULTS,
    Epoch,
    FaultKind,
    Fired,
    History,
    SkippedSpan,
    faults,
)
from tinyforge.schedule.life import clock_set_back, create, edit, pause, resume, set_last_fired
from tinyforge.schedule.spec import Spec
from tinyforge.schedule.words import Words

NOON = at(2026, 1, 5, 12)
OFTEN = Words(interval="1h").spec("often")
ANCHORED = Words(interval="1h", anchor="2026-01-01").spec("anchored")
CRON = Words(cron="0 * * * *", timezone="Europe/Berlin").spec("cron")
KINDS = [OFTEN, ANCHORED, CRON]


class Story:
    """A schedule that lives, and the book that is kept of it."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.now, self.book = spec, NOON, Book()
        self.note(create(spec, NOON))

    def note(self, decision: Decision) -> None:
        self.book.write(decision, self.spec, self.now)
        self.state = decision.state

    def ticks(self, *steps: int) -> Story:
        for step in steps:
            self.now += step
            self.note(decide(self.spec, self.state, self.now))
        return self

    def pauses(self, length: int) -> Story:
        self.note(pause(self.spec, self.state, self.now))
        self.now += length
        self.note(resume(self.spec, self.state, self.now))
        return self

    def becomes(self, spec: Spec) -> Story:
        decision = edit(self.spec, spec, self.state, self.now)
        self.spec = spec
        self.note(decision)
        return self

    @property
    def history(self) -> History:
        return self.book.history(self.state)


def a_day(spec: Spec) -> History:
    """On time, late, with folds, a pause of hours, late again."""
    story = Story(spec).ticks(0, HOUR, HOUR, HOUR + 5 * MINUTE, 4 * HOUR, 56 * MINUTE)
    return story.pauses(5 * HOUR).ticks(HOUR, HOUR).history


def kinds(history: History) -> set[FaultKind]:
    return {fault.kind for fault in faults(history)}


@pytest.mark.parametrize("spec", KINDS)
def test_a_true_ledger_has_no_fault(spec: Spec) -> None:
    assert faults(a_day(spec)) == []


@pytest.mark.parametrize("spec", KINDS)
@pytest.mark.parametrize("n", range(6))
def test_an_event_deleted_is_a_hole(spec: Spec, n: int) -> None:
    true = a_day(spec)
    fired = list(true.fired)
    gone = fired.pop(n)
    found = faults(replace(true, fired=fired))
    hole = next(fault for fault in found if fault.kind is FaultKind.HOLE)
    assert hole.at <= gone.window
    assert hole.text.startswith("no decision about ")


@pytest.mark.parametrize("spec", KINDS)
def test_a_window_doubled_is_found_also_across_spans(spec: Spec) -> None:
    true = a_day(spec)
    fire = list(true.fired)[2]
    extra = SkippedSpan(epoch=1, oldest=fire.window, newest=fire.window, count=1, reason="late")
    assert FaultKind.DOUBLE in kinds(replace(true, skipped=[extra, *true.skipped]))


@pytest.mark.parametrize("spec", KINDS)
def test_a_span_cut_short_or_removed_is_a_hole(spec: Spec) -> None:
    true = a_day(spec)
    (span,) = true.skipped
    short = replace(span, oldest=span.oldest + HOUR, count=(span.count or 0) - 1)
    assert kinds(replace(true, skipped=[short])) == {FaultKind.HOLE}
    assert kinds(replace(true, skipped=[])) == {FaultKind.HOLE}


@pytest.mark.parametrize("spec", KINDS)
def test_last_fired_at_moved_is_found_in_the_row_and_in_an_event(spec: Spec) -> None:
    true = a_day(spec)
    row = replace(true.state, last_fired_at=(true.state.last_fired_at or 0) - MINUTE)
    assert kinds(replace(true, state=row)) == {FaultKind.WRONG_LAST_FIRED}
    fired = list(true.fired)
    fired[1] = replace(fired[1], last_fired_at=(fired[1].last_fired_at or 0) + MINUTE)
    assert FaultKind.WRONG_LAST_FIRED in kinds(replace(true, fired=fired))


def test_the_base_of_the_row_moved_is_found() -> None:
    true = a_day(OFTEN)
    row = replace(true.state, base=true.state.base + MINUTE)
    assert kinds(replace(true, state=row)) == {FaultKind.WRONG_LAST_FIRED}


@pytest.mark.parametrize("spec", KINDS)
def test_what_never_was_a_window_is_named(spec: Spec) -> None:
    true = a_day(spec)
    fired = list(true.fired)
    fired[0] = replace(fired[0], window=fired[0].window + 1)
    assert FaultKind.NO_WINDOW in kinds(replace(true, fired=fired))


@pytest.mark.parametrize("spec", KINDS)
def test_a_wrong_count_is_named(spec: Spec) -> None:
    true = a_day(spec)
    fired = [replace(f, folded=f.folded + 1) if f.folded else f for f in true.fired]
    assert kinds(replace(true, fired=fired)) == {FaultKind.WRONG_COUNT}
    (span,) = true.skipped
    assert kinds(replace(true, skipped=[replace(span, count=None)])) == {FaultKind.WRONG_COUNT}


def test_more_than_a_hundred_is_a_right_count_of_a_cron_that_folded_more() -> None:
    minutely = Words(cron="* * * * *").spec("minutely")
    true = Story(minutely).ticks(MINUTE, 5 * HOUR).history
    assert [fire.folded for fire in true.fired] == [0, None]
    assert faults(true) == []
    fired = [replace(fire, folded=100) for fire in true.fired if fire.folded is None]
    assert FaultKind.WRONG_COUNT in kinds(replace(true, fired=fired))


def test_windows_after_decided_until_are_open() -> None:
    story = Story(OFTEN).ticks(0, HOUR)
    story.now += DAY
    assert faults(story.history) == []


def test_a_row_whose_decided_until_ran_ahead_has_a_hole() -> None:
    true = a_day(OFTEN)
    ahead = replace(true.state, decided_until=true.state.decided_until + DAY)
    assert kinds(replace(true, state=ahead)) == {FaultKind.HOLE}


def test_a_decision_after_decided_until_is_named() -> None:
    true = a_day(OFTEN)
    behind = replace(true.state, decided_until=true.state.decided_until - 2 * HOUR)
    assert FaultKind.NO_WINDOW in kinds(replace(true, state=behind))


def test_an_epoch_ends_where_the_edit_begins() -> None:
    story = Story(OFTEN).ticks(0, HOUR)
    story.now += 3 * HOUR
    true = story.becomes(CRON).ticks(HOUR, HOUR).history
    assert faults(true) == []
    assert kinds(replace(true, skipped=[])) == {FaultKind.HOLE}


def test_an_edit_that_counts_from_another_moment_is_found() -> None:
    true = Story(CRON).ticks(HOUR).becomes(OFTEN).ticks(HOUR).becomes(ANCHORED).history
    assert faults(true) == []
    epochs = [*true.epochs[:2], replace(true.epochs[2], base=true.epochs[2].base - 1)]
    assert FaultKind.WRONG_LAST_FIRED in kinds(replace(true, epochs=epochs))


def _cleared(story: Story) -> Decision:
    return set_last_fired(story.spec, story.state, None, story.now)


def _moved(story: Story) -> Decision:
    return set_last_fired(story.spec, story.state, story.now - 90 * MINUTE, story.now)


def _set_back(story: Story) -> Decision:
    story.now -= DAY
    return clock_set_back(story.spec, story.state, story.now)


@pytest.mark.parametrize("change", [_cleared, _moved, _set_back])
def test_an_epoch_that_ended_by_hand_or_clock_is_proved_to_its_end(
    change: Callable[[Story], Decision],
) -> None:
    story = Story(OFTEN).ticks(0, HOUR, HOUR)
    story.note(change(story))
    true = story.ticks(0, 2 * HOUR).history
    assert faults(true) == []
    fired = [fire for fire in true.fired if (fire.epoch, fire.window) != (1, NOON + 2 * HOUR)]
    assert kinds(replace(true, fired=fired)) == {FaultKind.HOLE}


def test_an_at_that_had_passed_needs_its_span() -> None:
    true = Story(Words(at="2026-01-01").spec("once")).ticks(HOUR).history
    assert faults(true) == []
    assert kinds(replace(true, skipped=[])) == {FaultKind.HOLE}


def test_an_epoch_without_windows_has_no_decisions() -> None:
    story = Story(OFTEN).ticks(0)
    decision = edit(OFTEN, None, story.state, story.now)
    story.book.write(decision, None, story.now)
    true = story.book.history(decision.state)
    assert faults(true) == []
    stray = Fired(epoch=2, window=NOON + HOUR, last_fired_at=NOON + HOUR)
    assert FaultKind.NO_WINDOW in kinds(replace(true, fired=[*true.fired, stray]))


def test_epochs_missing_or_not_in_the_row_are_found() -> None:
    true = Story(OFTEN).ticks(0).becomes(CRON).ticks(HOUR).becomes(ANCHORED).history
    assert FaultKind.WRONG_EPOCH in kinds(replace(true, epochs=true.epochs[::2]))
    assert FaultKind.WRONG_EPOCH in kinds(replace(true, epochs=true.epochs[:2]))


@pytest.mark.parametrize("spec", KINDS)
@pytest.mark.parametrize("n", range(6))
def test_before_proved_from_nothing_is_asked(spec: Spec, n: int) -> None:
    true = a_day(spec)
    fired, until = list(true.fired), list(true.fired)[n].window
    skipped = [span for span in true.skipped if span.newest > until]
    pruned = replace(true, fired=fired[n + 1 :], skipped=skipped, proved_from=until)
    assert faults(pruned) == []


@pytest.mark.parametrize("spec", KINDS)
def test_after_proved_from_a_hole_is_found(spec: Spec) -> None:
    true = a_day(spec)
    fired = list(true.fired)
    kept = [fired[4], *fired[6:]]
    pruned = replace(true, fired=kept, proved_from=fired[3].window)
    assert FaultKind.HOLE in kinds(pruned)


def test_other_zone_data_explain_what_differs_of_a_cron() -> None:
    true = a_day(CRON)
    shifted = Words(cron="0 * * * *", timezone="Asia/Kathmandu").spec("cron")
    epochs = [replace(true.epochs[0], spec=shifted, zone_data_changed=True)]
    other = replace(true, epochs=epochs)
    assert kinds(other) == {FaultKind.ZONE_DATA}
    extra = SkippedSpan(epoch=1, oldest=NOON + HOUR, newest=NOON + HOUR, count=1, reason="late")
    assert FaultKind.DOUBLE in kinds(replace(other, skipped=[extra, *other.skipped]))


def test_ninety_days_of_ten_seconds_are_proved_as_a_stream() -> None:
    """777,600 windows in 7,777 fires, none of them held."""
    spec = Words(interval="10s", anchor="2026-01-01").spec("often")
    state = State(since=NOON, base=NOON, decided_until=NOON, last_fired_at=NOON)
    begun = Epoch(
        epoch=1,
        spec=spec,
        since=NOON,
        base=NOON,
        opening=None,
        decided_from=NOON,
        why=EpochReason.ADOPTED,
    )
    ends = [NOON + n * 1_000 * SECOND for n in range(1, 7_777)]
    state = replace(state, decided_until=ends[-1], last_fired_at=ends[-1])

    def fires(missing: Moment | None) -> Iterator[Fired]:
        for end in ends:
            if end != missing:
                yield Fired(
                    epoch=1,
                    window=end,
                    last_fired_at=end,
                    folded=99,
                    folded_from=end - 990 * SECOND,
                )

    assert faults(History(epochs=[begun], fired=fires(None), skipped=(), state=state)) == []
    (hole,) = faults(History(epochs=[begun], fired=fires(ends[4]), skipped=(), state=state))
    assert "no decision about 100 windows" in hole.text


def test_a_ledger_beyond_hope_is_not_read_to_its_end() -> None:
    story = Story(OFTEN).ticks(0, *[HOUR] * 300)
    wrong = [replace(fire, window=fire.window + 1) for fire in story.book.fired]
    assert len(faults(replace(story.history, fired=wrong))) == MOST_FAULTS
