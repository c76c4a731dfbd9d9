"""Random lives of a schedule, held against a plain list of its windows."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.schedule.books import Book, tamper
from tests.schedule.timetables import BEGIN, brute_force, specs
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, Moment
from tinyforge.schedule.decide import decide
from tinyforge.schedule.decision import Decision, Reason, Span, State
from tinyforge.schedule.ledger import faults
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
from tinyforge.schedule.spec import ALWAYS, At, Spec, dump_spec, load_spec

steps = st.one_of(
    st.integers(0, 2 * SECOND),
    st.integers(0, 2 * MINUTE),
    st.integers(0, 10 * HOUR),
)
HORIZON = 2 * DAY


class Life(RuleBasedStateMachine):
    """One schedule, what happens to it, and a ledger of what became of each window."""

    now = BEGIN + DAY
    spec: Spec | None
    state: State
    last: Decision

    def __init__(self) -> None:
        super().__init__()
        self.fates_of: dict[tuple[int, Moment], str] = {}
        self.book = Book()

    @initialize(spec=specs(), age=st.none() | st.integers(0, DAY))
    def begin(self, spec: Spec, age: int | None) -> None:
        begun = create(spec, self.now) if age is None else adopt(spec, self.now - age, self.now)
        self.begin_again(spec, begun)

    @rule(step=steps)
    def tick(self, step: int) -> None:
        self.now += step
        if self.spec is not None:
            decision = decide(self.spec, self.state, self.now)
            assert decide(self.spec, self.state, self.now, self.last.due_at) == decision
            self.follow(decision)

    @rule(step=st.integers(0, 2 * SECOND))
    def tick_on_time(self, step: int) -> None:
        """Wake where the next window is due, as a ticker does."""
        if self.last.due_at is not None and self.last.due_at < self.now + DAY:
            self.now = max(self.now, self.last.due_at)
        self.tick(step)

    @rule(step=steps)
    def down(self, step: int) -> None:
        """Time passes, nobody looks, and the row comes back from its text."""
        self.now += step
        self.state = msgspec.json.decode(msgspec.json.encode(self.state), type=State)
        if self.spec is not None:
            self.spec = load_spec(dump_spec(self.spec))

    @rule()
    def pause(self) -> None:
        self.follow(pause(self.spec, self.state, self.now))

    @rule()
    def resume(self) -> None:
        self.follow(resume(self.spec, self.state, self.now))

    @rule(on=st.booleans())
    def switch(self, on: bool) -> None:
        self.follow((enable if on else disable)(self.spec, self.state, self.now))

    @rule(new=st.none() | specs())
    def edit(self, new: Spec | None) -> None:
        decision = edit(self.spec, new, self.state, self.now)
        assert decision.fire is None
        undecided = self.windows(self.state.decided_until, self.now) if decision.why else []
        self.record(decision, undecided, new)
        self.spec = new

    @rule(step=st.integers(1, 90 * MINUTE) | st.integers(1, 5 * HOUR))
    def clock_goes_back(self, step: int) -> None:
        self.now -= step
        self.begin_again(self.spec, clock_set_back(self.spec, self.state, self.now))

    @rule(age=st.none() | st.integers(-HOUR, DAY))
    def last_fired_at_changes_by_hand(self, age: int | None) -> None:
        if self.spec is None or (age is not None and not self.spec.timetable.is_free):
            return  # only the column changes, which the ledger reports
        last = None if age is None else self.now - age
        self.begin_again(self.spec, set_last_fired(self.spec, self.state, last, self.now))

    def begin_again(self, spec: Spec | None, decision: Decision) -> None:
        assert decision.fire is None
        self.spec, self.state = spec, decision.state
        self.record(decision, self.passed_at_creation() if decision.why else [], spec)

    def follow(self, decision: Decision) -> None:
        expected = self.windows(self.state.decided_until, decision.state.decided_until)
        if decision.fire is not None:
            self.judge_fire(decision, expected)
        self.record(decision, expected, self.spec)

    def judge_fire(self, decision: Decision, expected: list[Moment]) -> None:
        assert self.spec is not None
        assert decision.fire is not None
        assert decision.fire.window == expected[-1]
        assert decision.fire.late_by == self.now - expected[-1] <= self.spec.limit
        if decision.fire.overdue is not None:
            assert decision.fire.overdue == self.now - expected[0]

    def record(self, decision: Decision, expected: list[Moment], spec: Spec | None) -> None:
        """Each expected window gets one fate, and nothing else gets any."""
        fates = self.fates(decision, expected)
        assert sorted(window for window, _ in fates) == expected
        for window, fate in fates:
            assert (decision.epoch, window) not in self.fates_of
            self.fates_of[decision.epoch, window] = fate
        self.book.write(decision, spec, self.now)
        self.state, self.last = decision.state, decision

    def teardown(self) -> None:
        """Whatever happened, the stored ledger proves it; and no tampering goes unseen."""
        if not hasattr(self, "state"):
            return
        history = self.book.history(self.state)
        assert faults(history) == []
        for what, tampered in tamper(history):
            assert faults(tampered), what

    def fates(self, decision: Decision, expected: list[Moment]) -> list[tuple[Moment, str]]:
        fates = []
        if decision.fire is not None:
            fates.append((decision.fire.window, "fired"))
            fates += [(w, "folded") for w in members(decision.fire.folded, expected)]
        if decision.skipped is not None:
            reason = decision.skipped.reason
            fates += [(w, reason) for w in members(decision.skipped.span, expected)]
            if reason is Reason.LATE and self.spec is not None and decision.fire is not None:
                assert decision.skipped.span.newest < self.now - self.spec.limit
        return fates

    def windows(self, after: Moment, until: Moment) -> list[Moment]:
        return brute_force(self.spec, self.state, after, until) if self.spec else []

    def passed_at_creation(self) -> list[Moment]:
        """Only an `at` has windows before it was created."""
        if self.spec is None or not isinstance(self.spec.timetable.timing, At):
            return []
        if self.state.decided_until == self.state.since:
            return []
        return self.windows(ALWAYS.after, self.state.decided_until)

    @invariant()
    def due_at_is_the_first_undecided_window(self) -> None:
        if not hasattr(self, "spec"):
            return
        until = self.state.decided_until + HORIZON
        coming = [] if self.state.at_rest else self.windows(self.state.decided_until, until)
        if coming:
            assert self.last.due_at == coming[0]
        else:
            assert self.last.due_at is None or self.last.due_at > until


def members(span: Span | None, windows: list[Moment]) -> list[Moment]:
    """Return the windows that a span speaks for; it must have counted and bounded them."""
    if span is None:
        return []
    inside = [window for window in windows if span.oldest <= window <= span.newest]
    assert (inside[0], inside[-1]) == (span.oldest, span.newest)
    assert span.count == len(inside) or (span.count is None and len(inside) > 100)
    return inside


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


@settings(deadline=None)
@given(specs(), st.integers(0, 3 * DAY))
def test_however_late_it_fires_once(spec: Spec, late_by: int) -> None:
    created = create(spec, BEGIN)
    first = decide(spec, created.state, BEGIN + late_by)
    again = decide(spec, first.state, BEGIN + late_by)
    assert again.fire is None
    assert again.skipped is None
    assert again.state == first.state
