"""The compiled way says what the rule says, whenever it says anything."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from tests.schedule.timetables import BEGIN, specs
from tinyforge.clock import DAY, HOUR, Moment
from tinyforge.schedule.decide import decide
from tinyforge.schedule.life import adopt, create
from tinyforge.schedule.quick import quick
from tinyforge.schedule.spec import Spec


class Row(Struct):
    since: Moment
    base: Moment
    opening: Moment | None
    last_fired_at: Moment | None
    decided_until: Moment
    due_at: Moment


@settings(max_examples=250, deadline=None)
@given(specs(), st.none() | st.integers(0, DAY), st.integers(0, 3 * HOUR))
def test_the_quick_way_and_the_rule_agree(spec: Spec, age: int | None, late_by: int) -> None:
    begun = create(spec, BEGIN) if age is None else adopt(spec, BEGIN - age, BEGIN)
    state, due = begun.state, begun.due_at
    if due is None:
        return
    now = due + late_by
    row = Row(
        since=state.since,
        base=state.base,
        opening=state.opening,
        last_fired_at=state.last_fired_at,
        decided_until=state.decided_until,
        due_at=due,
    )
    found = quick(spec)(row, now)
    decision = decide(spec, state, now)
    if found is None:
        assert decision.fire is None or decision.fire.folded or decision.skipped
        return
    assert decision.fire is not None
    assert (decision.fire.window, decision.fire.folded, decision.skipped) == (due, None, None)
    assert found.last_fired_at == decision.state.last_fired_at
    assert (found.base, found.next_due_at) == (decision.state.base, decision.due_at)
    assert found.overdue == decision.fire.overdue
