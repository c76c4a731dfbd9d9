"""A wall clock that somebody sets, seen through the real ticker and the real file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.engine.house import BEGIN, TICK, House, iso, open_house
from tests.engine.kinds import gate
from tests.operations.house import ME
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, Micros
from tinyforge.model import RunState
from tinyforge.observe.events import ClockSetBack, SchedulesFired, WindowsSkipped

YEAR = 365 * DAY
START = BEGIN + 10 * MINUTE


async def fleet(house: House) -> dict[str, int]:
    """Put in a schedule of each sort, and let ten minutes go by."""
    numbers = {
        "free": house.schedule("free", interval="60s"),
        "never": house.schedule("never", interval="3h", first="wait"),
        "anchored": house.schedule("anchored", interval="60s", anchor=iso(BEGIN - 3 * YEAR)),
        "spread": house.schedule("spread", interval="60s", spread="10s"),
        "cron": house.schedule("cron", cron="* * * * *"),
        "once": house.schedule("once", at=iso(BEGIN + 5 * MINUTE)),
        "paused": house.schedule("paused", interval="60s"),
    }
    assert await house.sweep()
    await house.doors.triggers.pause("paused", ME)
    for _ in range(10):
        await house.pass_time(MINUTE)
    house.happened.forget()
    return numbers


async def epochs(house: House, numbers: dict[str, int]) -> dict[str, int]:
    return {name: (await house.state(number)).epoch for name, number in numbers.items()}


async def counts(house: House, numbers: dict[str, int]) -> dict[str, int]:
    return {name: len(await house.events(number)) for name, number in numbers.items()}


async def test_set_back_one_hour_what_has_fixed_points_stays_decided(house: House) -> None:
    numbers = await fleet(house)
    before = await counts(house, numbers)
    house.clock.set(START - HOUR)
    assert await house.sweep()
    assert await epochs(house, numbers) == {
        "free": 2,
        "never": 2,
        "anchored": 1,
        "spread": 1,
        "cron": 1,
        "once": 1,
        "paused": 2,
    }
    state = await house.state(numbers["free"])
    assert state.base == state.last_fired_at == state.decided_until == START - HOUR
    for _ in range(60):
        await house.pass_time(MINUTE)
    after = await counts(house, numbers)
    fired = {name: after[name] - before[name] for name in numbers}
    assert fired == dict.fromkeys(numbers, 0) | {"free": 60}
    await house.pass_time(MINUTE)
    assert (await counts(house, numbers))["cron"] == before["cron"] + 1
    assert await house.faults() == []


@pytest.mark.parametrize("step", [DAY, YEAR], ids=["one day", "one year"])
async def test_set_back_further_everything_begins_anew(house: House, step: Micros) -> None:
    numbers = await fleet(house)
    before = await counts(house, numbers)
    house.clock.set(START - step)
    assert await house.sweep()
    assert await epochs(house, numbers) == dict.fromkeys(numbers, 2)
    never = await house.state(numbers["never"])
    assert (never.base, never.last_fired_at) == (START - step, None)
    await house.pass_time(MINUTE)
    assert (await house.windows(numbers["cron"]))[-1] == START - step + MINUTE
    await house.pass_time(MINUTE)
    after = await counts(house, numbers)
    fired = {name for name in numbers if after[name] > before[name]}
    assert fired == {"free", "anchored", "spread", "cron"}
    await house.pass_time(3 * HOUR)
    assert len(await house.events(numbers["never"])) == 1
    assert (await house.state(numbers["paused"])).paused_at is not None
    assert await house.faults() == []


@pytest.mark.parametrize(
    ("step", "planned"), [(HOUR, 3), (DAY, 7), (YEAR, 7)], ids=["hour", "day", "year"]
)
async def test_a_step_back_is_said_once_and_each_row_planned_once(
    tmp_path: Path, step: Micros, planned: int
) -> None:
    async with open_house(tmp_path) as house:
        numbers = await fleet(house)
        house.clock.set(START - step)
        for _ in range(3):
            assert await house.sweep()
        said = house.happened.of(ClockSetBack)
        assert said == [ClockSetBack(by=step, planned_again=planned)]
        once = await epochs(house, numbers)
        clock = house.clock
    async with open_house(tmp_path, clock) as house:
        await house.pass_time(SECOND)
        assert house.happened.of(ClockSetBack) == []
        assert await epochs(house, numbers) == once


async def test_a_clock_set_back_while_nothing_ran_is_seen_at_the_start(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        numbers = await fleet(house)
        clock = house.clock
    clock.set(START - DAY)
    async with open_house(tmp_path, clock) as house:
        await house.pass_time(MINUTE)
        assert len(house.happened.of(ClockSetBack)) == 1
        await house.pass_time(MINUTE)
        assert (await house.windows(numbers["free"]))[-1] == START - DAY + 2 * MINUTE


async def test_a_step_back_of_two_seconds_is_none(house: House) -> None:
    numbers = await fleet(house)
    house.clock.set(START - 2 * SECOND)
    assert await house.sweep()
    assert house.happened.of(ClockSetBack) == []
    await house.pass_time(MINUTE + 2 * SECOND)
    assert (await house.windows(numbers["free"]))[-1] == START + MINUTE


async def test_a_clock_that_was_wrong_by_a_year_silences_nothing(house: House) -> None:
    numbers = await fleet(house)
    house.clock.set(START + YEAR)
    assert await house.sweep()
    house.clock.set(START)
    assert await house.sweep()
    before = await counts(house, numbers)
    await house.pass_time(MINUTE)
    await house.pass_time(MINUTE)
    after = await counts(house, numbers)
    assert {name for name in numbers if after[name] > before[name]} == {
        "free",
        "anchored",
        "spread",
        "cron",
    }
    assert await house.faults() == []


async def test_set_forward_one_day_each_catches_up_once(house: House) -> None:
    numbers = await fleet(house)
    skips = house.schedule("skips", cron="* * * * *", catch_up="skip")
    assert await house.sweep()
    house.happened.forget()
    before = await counts(house, numbers)
    now = START + DAY
    house.clock.set(now)
    assert await house.sweep()
    assert await house.sweep()
    after = await counts(house, numbers)
    fired = {name: after[name] - before[name] for name in numbers}
    once = dict.fromkeys(("free", "never", "anchored", "spread", "cron"), 1)
    assert fired == once | {"once": 0, "paused": 0}
    cron = (await house.events(numbers["cron"]))[-1]
    assert (cron.window, cron.folded, cron.folded_from) == (now, None, START + MINUTE)
    free = (await house.events(numbers["free"]))[-1]
    assert (free.window, free.last_fired_at) == (now, now)
    overdue = {one.trigger: one.overdue for said in fires(house) for one in said.fired}
    assert overdue["free"] == overdue["cron"] == DAY - MINUTE
    assert overdue["never"] is None
    (span,) = house.happened.of(WindowsSkipped)
    assert (span.trigger_id, span.reason, span.oldest) == (skips, "late", START + MINUTE)
    assert await house.faults() == []


async def test_a_clock_set_back_while_people_pause_is_followed_all_the_same(house: House) -> None:
    numbers = house.sites(60)
    await house.pass_time(MINUTE)
    house.clock.set(BEGIN - DAY)
    pauses = [house.doors.triggers.pause(f"s{number}", ME) for number in numbers[::2]]
    swept, *_ = await asyncio.gather(house.sweep(), *pauses)
    assert swept
    assert await house.sweep()
    await house.pass_time(MINUTE)
    assert (await house.windows(numbers[1]))[-1] == BEGIN - DAY + MINUTE
    assert len(house.happened.of(ClockSetBack)) == 1
    assert await house.faults() == []


async def test_a_run_that_waits_its_turn_does_not_wait_for_the_clock_to_return(
    house: House,
) -> None:
    button = house.trigger("button", "manual")
    house.bind(button, house.workload("site", "held", gate="wrong-clock"))
    assert await house.sweep()
    house.clock.set(START + YEAR)
    await house.pass_time(TICK)
    await house.fire(button)
    await house.engine.runner.turn()
    await house.fire(button)
    house.clock.set(START)
    assert await house.sweep()
    gate("wrong-clock").set()
    await house.settle()
    assert [run.state for run in await house.runs()] == [RunState.SUCCEEDED] * 2


async def test_a_retry_waits_for_its_backoff_alone_when_the_clock_returns(house: House) -> None:
    button, site = house.trigger("button", "manual"), house.workload("site", "bad", how="fail")
    house.by_hand("""UPDATE workloads SET retry = '{"attempts": 2, "backoff": "60s"}'""")
    house.bind(button, site)
    assert await house.sweep()
    house.clock.set(START + YEAR)
    await house.pass_time(TICK)
    await house.fire(button)
    await house.settle()
    house.clock.set(START)
    assert await house.sweep()
    await house.pass_time(MINUTE)
    await house.settle()
    (run,) = await house.runs()
    assert (run.state, run.attempt) == (RunState.FAILED, 2)


async def test_runs_that_catch_up_one_by_one_do_not_wait_for_the_clock_to_return(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, catch_up_rate=1.0) as house:
        house.sites(10)
        await house.pass_time(SECOND)
        house.clock.set(START + YEAR)
        assert await house.sweep()
        house.clock.set(START)
        assert await house.sweep()
        await house.pass_time(10 * MINUTE)
        await house.pass_time(MINUTE)
        await house.settle()
        assert {run.state for run in await house.runs()} == {RunState.SUCCEEDED}


def fires(house: House) -> list[SchedulesFired]:
    return house.happened.of(SchedulesFired)
