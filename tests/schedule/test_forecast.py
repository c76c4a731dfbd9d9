"""What is to come: windows of one schedule, and the load of a fleet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.schedule.timetables import BEGIN, at, brute_force, specs
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND
from tinyforge.schedule.decision import State
from tinyforge.schedule.forecast import (
    count_between,
    fires_between,
    is_window,
    nearest,
    preview,
    windows_between,
)
from tinyforge.schedule.life import adopt, create, pause
from tinyforge.schedule.spec import Spec, Stretch
from tinyforge.schedule.words import Words

NOON = at(2026, 1, 5, 12)
HOURLY = Words(interval="1h").spec("hourly")
NIGHTLY = Words(cron="0 3 * * *", timezone="Europe/Berlin").spec("nightly")


def test_preview_shows_the_next_windows() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    assert preview(HOURLY, state, NOON, 3) == [NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR]
    once = Words(at="2026-01-05T13:00:00Z").spec("once")
    assert preview(once, create(once, NOON).state, NOON, 3) == [NOON + HOUR]


@settings(max_examples=60, deadline=None)
@given(specs(), st.integers(0, DAY), st.integers(0, 8 * HOUR))
def test_windows_between_are_those_of_the_oracle(spec: Spec, age: int, length: int) -> None:
    state = create(spec, BEGIN + age).state
    stretch = Stretch(state.decided_until, state.decided_until + length)
    expected = brute_force(spec, state, *stretch)
    assert windows_between(spec, state, stretch, limit=10_000) == expected
    assert windows_between(spec, state, stretch, limit=2) == expected[:2]
    assert count_between(spec, state, stretch) == len(expected)


def test_nearest_are_the_windows_on_either_side() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    assert nearest(HOURLY, state, NOON + 90 * MINUTE) == (NOON + HOUR, NOON + 2 * HOUR)
    assert nearest(HOURLY, state, NOON + 2 * HOUR) == (NOON + HOUR, NOON + 3 * HOUR)
    assert nearest(HOURLY, state, NOON + MINUTE) == (None, NOON + HOUR)
    assert is_window(HOURLY, state, NOON + HOUR)
    assert not is_window(HOURLY, state, NOON + HOUR + 1)


def test_nothing_of_an_anchor_long_ago_is_near_before_the_epoch_began() -> None:
    spec = Words(interval="1h", anchor="2020-01-01T00:00:00Z").spec("a")
    assert nearest(spec, create(spec, NOON + 1).state, NOON - DAY) == (None, NOON + HOUR)


def test_a_fleet_is_counted_by_minute_and_by_name() -> None:
    fleet = [("hourly", HOURLY, adopt(HOURLY, NOON, NOON).state)]
    fleet.append(("nightly", NIGHTLY, create(NIGHTLY, NOON).state))
    load = fires_between(fleet, Stretch(NOON, NOON + DAY), limit=100)
    assert load.total == 25
    assert load.by_name == {"hourly": 24, "nightly": 1}
    assert load.by_minute[at(2026, 1, 6, 2)] == 2
    assert load.busiest == at(2026, 1, 6, 2)
    assert load.complete


def test_who_rests_and_what_is_decided_puts_no_load() -> None:
    state = adopt(HOURLY, NOON, NOON).state
    asleep = ("asleep", HOURLY, pause(HOURLY, state, NOON).state)
    load = fires_between([asleep, ("x", HOURLY, state)], Stretch(NOON - DAY, NOON + HOUR), 9)
    assert load.by_name == {"x": 1}
    assert fires_between([asleep], Stretch(NOON, NOON + DAY), 9).busiest is None


@pytest.mark.parametrize(("limit", "complete"), [(10, False), (360, True)])
def test_a_count_ends_at_its_limit_and_says_so(limit: int, complete: bool) -> None:
    spec = Words(interval="10s").spec("often")
    fleet = [("often", spec, adopt(spec, NOON, NOON).state)]
    load = fires_between(fleet, Stretch(NOON, NOON + HOUR), limit)
    assert (load.total, load.complete) == (limit, complete)


def test_a_fleet_is_read_no_further_than_the_limit_needs() -> None:
    spec = Words(interval="10s").spec("often")

    def fleet() -> Iterator[tuple[str, Spec, State]]:
        yield "often", spec, adopt(spec, NOON, NOON).state
        raise AssertionError("read too far")

    load = fires_between(fleet(), Stretch(NOON, NOON + 100 * SECOND), limit=5)
    assert load.total == 5
