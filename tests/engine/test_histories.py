"""Random lives of a small fleet on the real file: whatever happens, the ledger adds up."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.house import BEGIN, ME, House, iso, open_house
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, Micros
from tinyforge.errors import Refused
from tinyforge.observe.events import SchedulesFired
from tinyforge.testing.clock import MovableClock

CONFIGS = (
    '{"interval": "60s"}',
    '{"interval": "45s", "first": "wait"}',
    json.dumps({"interval": "10m", "anchor": iso(BEGIN - HOUR)}),
    '{"interval": "5m", "spread": "2m"}',
    '{"interval": "60s", "catch_up": "skip"}',
    '{"interval": "90s", "max_late": "5m"}',
    '{"cron": "*/5 * * * *"}',
    '{"cron": "0 3 * * *", "timezone": "Europe/Berlin", "catch_up": "skip"}',
    json.dumps({"at": iso(BEGIN + HOUR)}),
    json.dumps({"interval": "60s", "active_until": iso(BEGIN + 2 * HOUR)}),
    '{"interval": "1s"}',
    "{",
)
NAMES = ("one", "two", "three")
Step: TypeAlias = Callable[[House], Awaitable[None]]

names = st.sampled_from(NAMES)
lengths = st.sampled_from([0, 1, SECOND, 29 * SECOND, MINUTE, 7 * MINUTE, 3 * HOUR, DAY])


def passing(by: Micros) -> Step:
    async def step(house: House) -> None:
        house.clock.move(by)

    return step


def setting(by: Micros) -> Step:
    async def step(house: House) -> None:
        house.clock.set(house.clock.now() + by)

    return step


def by_hand(statement: str) -> Step:
    async def step(house: House) -> None:
        house.by_hand(statement)

    return step


def switching(name: str, what: str) -> Step:
    async def step(house: House) -> None:
        with suppress(Refused):  # of another kind now, or broken from the start
            await getattr(house.doors.triggers, what)(name, ME)

    return step


def firing(name: str) -> Step:
    async def step(house: House) -> None:
        trigger, _ = await house.store.trigger_named(name)
        await house.fire(trigger.id)

    return step


async def working(house: House) -> None:
    await house.settle()


def set_column(table: str, values: str, name: str) -> str:
    where = "id" if table == "triggers" else "trigger_id"
    return f"UPDATE {table} SET {values} WHERE {where} = {NAMES.index(name) + 1}"


steps = st.one_of(
    lengths.map(passing),
    lengths.map(passing),
    st.sampled_from([-HOUR, -DAY, HOUR, DAY]).map(setting),
    st.builds(switching, names, st.sampled_from(["pause", "resume"])),
    st.builds(firing, names),
    st.just(working),
    st.builds(
        lambda name, config: by_hand(set_column("triggers", f"config = '{config}'", name)),
        names,
        st.sampled_from(CONFIGS),
    ),
    st.builds(
        lambda name, on: by_hand(set_column("triggers", f"enabled = {int(on)}", name)),
        names,
        st.booleans(),
    ),
    st.builds(
        lambda name, kind: by_hand(set_column("triggers", f"kind = '{kind}'", name)),
        names,
        st.sampled_from(["schedule", "schedule", "manual"]),
    ),
    st.builds(lambda name: by_hand(set_column("timing", "last_fired_at = NULL", name)), names),
    st.builds(lambda name: by_hand(set_column("timing", "base = 'nonsense'", name)), names),
)


@given(st.lists(st.lists(steps, min_size=1, max_size=8), min_size=1, max_size=4))
@settings(max_examples=10, deadline=None)
def test_whatever_happens_every_window_has_one_decision(lives: Sequence[Sequence[Step]]) -> None:
    live(lives)


@pytest.mark.slow
@given(st.lists(st.lists(steps, min_size=1, max_size=15), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_for_long_every_window_has_one_decision(
    lives: Sequence[Sequence[Step]],
) -> None:
    live(lives)


def live(lives: Sequence[Sequence[Step]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live(Path(folder), lives))


async def _live(folder: Path, lives: Sequence[Sequence[Step]]) -> None:
    """Let each of *lives* be a server of its own; after each step there is a sweep."""
    clock = MovableClock(BEGIN)
    async with open_house(folder, clock) as house:
        for name, config in zip(NAMES, (CONFIGS[0], CONFIGS[6], CONFIGS[3]), strict=True):
            house.by_hand(
                "INSERT INTO triggers(name, kind, config)"
                f" VALUES ('{name}', 'schedule', '{config}')"
            )
        work = house.workload("work", queue="latest")
        for number in range(1, 4):
            house.bind(number, work)
    for life in lives:
        async with open_house(folder, clock) as house:
            for step in life:
                await step(house)
                house.happened.forget()
                assert await house.sweep()
                fired_once(house)
            assert await house.faults() == []
    await check_results(folder, clock)


def fired_once(house: House) -> None:
    """Of each schedule at most one window fires, however many have passed."""
    fired = Counter(one.trigger for said in house.happened.of(SchedulesFired) for one in said.fired)
    assert not fired or max(fired.values()) == 1


async def check_results(folder: Path, clock: MovableClock) -> None:
    async with open_house(folder, clock) as house:
        await house.engine.recovery.deliver_alone()
        assert house.read("SELECT count(*) FROM events WHERE fanned_at IS NULL") == [(0,)]
        twice = "SELECT count(*) FROM runs GROUP BY event_id, binding_id HAVING count(*) > 1"
        assert house.read(twice) == []
        events = house.read("SELECT count(*) FROM events")
        results = "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM results)"
        assert house.read(results) == events
        assert await house.faults() == []
