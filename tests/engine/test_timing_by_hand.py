"""The timing of schedules, changed by people with another program."""

from __future__ import annotations

import pytest

from tests.engine.house import BEGIN, House, iso
from tests.engine.nonsense import VALUES
from tests.operations.house import ME
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND
from tinyforge.observe.events import RowWarned
from tinyforge.operations.lists import Wanted


@pytest.mark.parametrize("given", ["2026-01-05T11:30:00Z", "2026-01-05T12:30:00.000+01:00"])
async def test_iso_text_in_last_fired_at_is_read_and_rewritten(house: House, given: str) -> None:
    number = house.schedule("often", interval="1h")
    house.by_sqlite3(f"INSERT INTO timing(trigger_id, last_fired_at) VALUES ({number}, '{given}')")
    assert await house.sweep()
    half_past = BEGIN - 30 * MINUTE
    assert house.read("SELECT last_fired_at, due_at FROM timing") == [(half_past, half_past + HOUR)]
    assert house.happened.of(RowWarned) == []


async def test_iso_text_in_the_last_fire_of_a_running_schedule_lets_it_catch_up_once(
    house: House,
) -> None:
    number = house.site("often", "1h")
    assert await house.sweep()
    house.by_sqlite3(f"UPDATE timing SET last_fired_at = '{iso(BEGIN - 90 * MINUTE)}'")
    assert await house.sweep()
    assert await house.sweep()
    assert await house.windows(number) == [BEGIN, BEGIN - 30 * MINUTE]
    assert (await house.state(number)).epoch == 2
    assert await house.faults() == []


async def test_a_last_fire_in_the_future_is_taken_as_now(house: House) -> None:
    number = house.schedule("often", interval="1h")
    house.by_hand(f"INSERT INTO timing(trigger_id, last_fired_at) VALUES ({number}, {BEGIN + DAY})")
    assert await house.sweep()
    assert (await house.state(number)).last_fired_at == BEGIN
    (warned,) = house.happened.of(RowWarned)
    assert "future" in warned.problem


async def test_a_last_fire_without_a_zone_is_never(house: House) -> None:
    number = house.schedule("often", interval="1h")
    house.by_hand(
        f"INSERT INTO timing(trigger_id, last_fired_at) VALUES ({number}, '2026-01-05T11:30:00')"
    )
    assert await house.sweep()
    assert len(await house.events(number)) == 1
    assert len(house.happened.of(RowWarned)) == 1


@pytest.mark.parametrize("value", [value for value in VALUES if value != "null"])
async def test_a_last_fire_that_makes_no_sense_begins_a_running_schedule_anew(
    house: House, value: str
) -> None:
    number, other = house.site("often"), house.site("other")
    assert await house.sweep()
    house.by_sqlite3(
        f"UPDATE timing SET last_fired_at = {VALUES[value]} WHERE trigger_id = {number}"
    )
    house.clock.move(MINUTE)
    for _ in range(3):
        assert await house.sweep()
    assert len(house.happened.of(RowWarned)) == 1
    assert await house.windows(number) == [BEGIN, BEGIN + MINUTE]
    assert await house.windows(other) == [BEGIN, BEGIN + MINUTE]
    assert await house.faults() == []


async def test_a_last_fire_that_is_cleared_begins_it_anew_without_a_warning(house: House) -> None:
    number = house.site()
    assert await house.sweep()
    house.clock.move(SECOND)
    house.by_sqlite3("UPDATE timing SET last_fired_at = NULL")
    assert await house.sweep()
    assert await house.windows(number) == [BEGIN, BEGIN + SECOND]
    assert house.happened.of(RowWarned) == []


TIMING = [
    "due_at",
    "decided_until",
    "base",
    "opening",
    "epoch",
    "since",
    "spec_id",
    "revision_id",
    "paused_at",
    "disabled_at",
]


@pytest.mark.parametrize("column", TIMING)
@pytest.mark.parametrize(
    "config", [{"interval": "60s"}, {"cron": "* * * * *"}], ids=["free", "cron"]
)
async def test_whatever_stands_in_the_timing_of_one_schedule_the_others_are_on_time(
    house: House, column: str, config: dict[str, object]
) -> None:
    number = house.schedule("odd", **config)
    other = house.site("other")
    for turn, value in enumerate(VALUES.values()):
        if (column, value) != ("epoch", "NULL"):
            house.by_sqlite3(f"UPDATE timing SET {column} = {value} WHERE trigger_id = {number}")
        await house.pass_time(MINUTE)
        assert len(await house.events(other)) == turn + 1
        await house.doors.triggers.show("odd", ME)
        await house.doors.lists.triggers(ME, Wanted())
    house.by_hand(f"DELETE FROM timing WHERE trigger_id = {number}")
    await house.pass_time(MINUTE)
    await house.pass_time(MINUTE)
    events = await house.events(number)
    assert events[-1].window == house.clock.now()


async def test_decisions_taken_back_by_hand_are_taken_anew(house: House) -> None:
    number = house.schedule("nightly", cron="*/5 * * * *")
    house.bind(number, house.workload("site"))
    other = house.site("other")
    assert await house.sweep()
    await house.pass_time(5 * MINUTE)
    house.by_hand(f"UPDATE timing SET decided_until = {BEGIN} WHERE trigger_id = {number}")
    await house.pass_time(MINUTE)
    await house.pass_time(4 * MINUTE)
    assert (await house.windows(number))[-1] == BEGIN + 10 * MINUTE
    assert len(await house.events(other)) == 4


async def test_a_rest_whose_decisions_were_taken_back_ends_all_the_same(house: House) -> None:
    number = house.schedule("often", cron="*/5 * * * *")
    other = house.site("other")
    assert await house.sweep()
    for _ in range(2):
        await house.pass_time(10 * MINUTE)
        house.by_hand(f"UPDATE triggers SET enabled = 0 WHERE id = {number}")
        assert await house.sweep()
        house.by_hand(
            f"UPDATE triggers SET enabled = 1 WHERE id = {number}",
            f"UPDATE timing SET decided_until = {BEGIN} WHERE trigger_id = {number}",
        )
        assert await house.sweep()
    await house.pass_time(5 * MINUTE)
    assert (await house.windows(number))[-1] == BEGIN + 25 * MINUTE
    assert (await house.windows(other))[-1] == BEGIN + 25 * MINUTE
