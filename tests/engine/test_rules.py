"""The fourteen rules that hold whatever else is built, each on the real file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.engine.disks import NO_ROOM, damaged, room_for_pages
from tests.engine.house import BEGIN, PARTS, TICK, House, a_server, iso, open_house
from tests.operations.house import ME
from tinyforge.clock import HOUR, MINUTE, SECOND, Micros
from tinyforge.model import Outcome, RunState
from tinyforge.observe.events import (
    EventsAccepted,
    EventsFannedOut,
    FireRefused,
    Happening,
    RecordingFailed,
    RowBroken,
    RowWarned,
    SchedulesFired,
    ServerStarted,
    ServerStopped,
    TickBegan,
    TickIntervalClamped,
)
from tinyforge.observe.lines import Level, Line, lines_of
from tinyforge.observe.metrics import Metrics
from tinyforge.operations.lists import Wanted

MANY = 300  # more than fit into the room that a file's pages have left


@pytest.mark.parametrize(
    ("requested", "applied", "warns"),
    [
        (0, 30 * SECOND, False),
        (-5 * SECOND, 30 * SECOND, True),
        (10 * MINUTE, 5 * MINUTE, True),
        (SECOND // 2, SECOND, True),
        (45 * SECOND, 45 * SECOND, False),
        (5 * MINUTE, 5 * MINUTE, False),
    ],
)
async def test_rule_01_the_tick_interval_is_clamped_and_a_given_one_warns(
    tmp_path: Path, requested: Micros, applied: Micros, warns: bool
) -> None:
    async with open_house(tmp_path, tick_interval=requested) as house:
        assert house.engine.tick_interval == applied
        said = house.happened.of(TickIntervalClamped)
        assert said == (
            [TickIntervalClamped(requested=requested, applied=applied)] if warns else []
        )


async def test_rule_02_a_sweep_runs_at_once_and_at_least_every_tick(house: House) -> None:
    ticking = asyncio.create_task(house.engine.ticker.run())
    await house.happened.wait_for(TickBegan, 1)
    for times in (2, 3):
        await house.clock.waited_for()
        house.clock.move(TICK)
        await house.happened.wait_for(TickBegan, times)
    house.engine.ticker.close()
    await ticking
    assert len(house.happened.of(TickBegan)) == 3


async def test_rule_02_a_sweep_does_not_wait_for_the_tick_when_something_is_due(
    house: House,
) -> None:
    number = house.site(every="10s")
    ticking = asyncio.create_task(house.engine.ticker.run())
    await house.happened.wait_for(SchedulesFired, 1)
    await house.clock.waited_for()
    house.clock.move(10 * SECOND)
    await house.happened.wait_for(SchedulesFired, 2)
    house.engine.ticker.close()
    await ticking
    assert await house.windows(number) == [BEGIN, BEGIN + 10 * SECOND]


async def test_rule_03_starting_and_stopping_twice_does_nothing(tmp_path: Path) -> None:
    happened, server = a_server(tmp_path)
    await server.start()
    await server.start()
    assert len(happened.of(ServerStarted)) == 1
    await server.stop()
    await server.stop()
    await server.start()
    assert len(happened.of(ServerStarted)) == len(happened.of(ServerStopped)) == 1


async def test_rule_03_a_server_may_be_stopped_before_it_is_started(tmp_path: Path) -> None:
    happened, server = a_server(tmp_path)
    await server.stop()
    assert happened.all == []


async def test_rule_03_stopping_waits_for_the_sweep_in_flight(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.sites(5 * MANY)
        clock = house.clock
    happened, server = a_server(tmp_path, clock)
    await server.start()
    await clock.waited_for(PARTS)
    before = len(happened.of(SchedulesFired))
    clock.move(MINUTE)
    await happened.wait_for(SchedulesFired, before + 1)
    await server.stop()
    fired = happened.of(SchedulesFired)
    assert happened.all.index(fired[-1]) < happened.all.index(happened.of(ServerStopped)[0])
    async with open_house(tmp_path, clock) as house:
        assert house.read("SELECT count(*) FROM events WHERE fanned_at IS NULL") == [(0,)]
        assert await house.faults() == []


async def test_rule_04_a_sweep_counts_even_if_listing_fails_and_ends_alone(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        number = house.site()
        assert await house.sweep()
    with damaged(tmp_path, "timing_due"):
        async with open_house(tmp_path) as house:
            house.clock.move(MINUTE)
            assert not await house.sweep()
            assert len(house.happened.of(TickBegan)) == 1
            assert len(house.happened.of(RecordingFailed)) == 1
            assert "tinyforge_scheduler_ticks_total 1.0" in metrics(house)
    async with open_house(tmp_path) as house:
        await house.pass_time(MINUTE)
        assert len(await house.windows(number)) == 2


async def test_rule_05_only_enabled_schedules_are_fired_by_the_ticker(house: House) -> None:
    manual, off = house.trigger("button", "manual"), house.site("off")
    house.by_hand(f"UPDATE triggers SET enabled = 0 WHERE id = {off}")
    await house.pass_time(HOUR)
    assert await house.events(off) == []
    house.unseen(
        f"INSERT INTO timing(trigger_id, due_at, decided_until, base, since) VALUES ({manual}, 1, 0, 0, 0)",
        f"UPDATE timing SET due_at = 1 WHERE trigger_id = {off}",
    )
    assert await house.sweep()
    assert await house.events(manual) == await house.events(off) == []
    assert len(house.happened.of(FireRefused)) == 2


async def test_rule_05_a_manual_fire_may_fire_any(house: House) -> None:
    off = house.site("off")
    house.by_hand(f"UPDATE triggers SET enabled = 0 WHERE id = {off}")
    assert await house.sweep()
    event = await house.fire(off)
    assert [result.outcome for result in await house.results(event)] == [Outcome.MATCHED]


@pytest.mark.parametrize(
    ("ago", "fires"),
    [(MINUTE - 1, False), (MINUTE, True), (MINUTE + 1, True)],
    ids=["just before", "on the point", "just after"],
)
async def test_rule_06_an_interval_is_due_when_its_length_has_passed(
    house: House, ago: Micros, fires: bool
) -> None:
    number = house.schedule("often", interval="60s")
    house.by_hand(f"INSERT INTO timing(trigger_id, last_fired_at) VALUES ({number}, {BEGIN - ago})")
    assert await house.sweep()
    assert bool(await house.events(number)) is fires


async def test_rule_06_what_never_fired_is_due(house: House) -> None:
    number = house.site()
    assert await house.sweep()
    assert await house.windows(number) == [BEGIN]


@pytest.mark.parametrize("interval", ['"9s"', '"soon"', "60", "null", '""', '"-1h"'])
async def test_rule_07_an_interval_that_makes_no_sense_never_fires_and_is_said_once(
    tmp_path: Path, interval: str
) -> None:
    async with open_house(tmp_path) as house:
        house.by_sqlite3(
            "INSERT INTO triggers(id, name, kind, config)"
            f""" VALUES (1, 'odd', 'schedule', '{{"interval": {interval}}}')"""
        )
        for _ in range(3):
            await house.pass_time(HOUR)
        (said,) = house.happened.of(RowBroken)
        assert (said.what, said.name) == ("trigger", "odd")
        assert "interval" in said.problem
        clock = house.clock
    async with open_house(tmp_path, clock) as house:
        await house.pass_time(HOUR)
        assert house.happened.of(RowBroken) == []
        assert await house.events(1) == []
        (shown,) = (await house.doors.lists.triggers(ME, Wanted(state="broken"))).items
        assert shown.name == "odd"
        assert said.problem in (shown.problem or "")
        assert (await house.store.counts()).broken == {"trigger": 1}
        house.by_hand("""UPDATE triggers SET config = '{"interval": "60s"}' WHERE id = 1""")
        assert await house.sweep()
        assert len(await house.events(1)) == 1


@pytest.mark.parametrize("last", ["'yesterday'", "''", "x'00ff'", "-5", "9223372036854775807"])
async def test_rule_08_a_last_fire_that_cannot_be_read_is_never(house: House, last: str) -> None:
    house.by_sqlite3(
        """INSERT INTO triggers(id, name, kind, config) VALUES (1, 'often', 'schedule', '{"interval": "1h"}');"""
        f"INSERT INTO timing(trigger_id, last_fired_at) VALUES (1, {last});"
    )
    assert await house.sweep()
    assert await house.windows(1) == [BEGIN]
    (warned,) = house.happened.of(RowWarned)
    assert "never fired" in warned.problem
    assert await house.sweep()
    assert len(house.happened.of(RowWarned)) == 1


async def test_rule_09_nothing_is_dispatched_if_storing_fails(house: House) -> None:
    numbers = house.sites(MANY)
    assert await house.sweep()
    before = [await house.state(number) for number in numbers]
    house.happened.forget()
    house.clock.move(MINUTE)
    with room_for_pages(house, NO_ROOM):
        assert not await house.sweep()
        assert [await house.state(number) for number in numbers] == before
    dispatched = (SchedulesFired, EventsAccepted, EventsFannedOut)
    assert [one for one in house.happened.all if isinstance(one, dispatched)] == []
    assert len(await house.runs()) == MANY
    assert await house.sweep()
    assert len(await house.runs()) == 2 * MANY


async def test_rule_09_a_fire_is_stored_before_anything_is_matched(tmp_path: Path) -> None:
    looked: list[object] = []

    def look(happening: Happening) -> None:
        if isinstance(happening, EventsAccepted):
            looked.extend(house.read("SELECT last_fired_at FROM timing"))
            looked.extend(house.read("SELECT count(*) FROM runs"))

    async with open_house(tmp_path) as house:
        house.site()
        assert await house.sweep()
        house.unseen("UPDATE bindings SET rule = '{\"anything\": 1}'")
        clock = house.clock
    async with open_house(tmp_path, clock, listening=[look]) as house:
        await house.pass_time(MINUTE)
        assert looked == [(BEGIN + MINUTE,), (1,)]
        assert len(house.happened.of(EventsFannedOut)) == 1


async def test_rule_10_a_failed_deploy_waits_for_the_next_window(house: House) -> None:
    number = house.schedule("often", interval="60s")
    house.bind(number, house.workload("site", "bad", how="fail"))
    for _ in range(2):
        assert await house.sweep()
        await house.settle()
        house.clock.move(MINUTE)
    runs = await house.runs()
    assert [(run.state, run.attempt) for run in runs] == [(RunState.FAILED, 1)] * 2
    assert [run.error for run in runs] == ["no luck"] * 2


async def test_rule_10_a_workload_may_ask_for_retries(house: House) -> None:
    number = house.schedule("once", at=iso(BEGIN + SECOND))
    site = house.workload("site", "bad", how="fail")
    house.by_hand(
        f"""UPDATE workloads SET retry = '{{"attempts": 2, "backoff": "10s"}}' WHERE id = {site}"""
    )
    house.bind(number, site)
    await house.pass_time(SECOND)
    await house.settle()
    (run,) = await house.runs()
    assert (run.state, run.ready_at) == (RunState.QUEUED, BEGIN + 11 * SECOND)
    house.clock.move(10 * SECOND)
    await house.settle()
    (run,) = await house.runs()
    assert (run.state, run.attempt) == (RunState.FAILED, 2)


@pytest.mark.parametrize(
    ("passed", "overdue"),
    [(2 * MINUTE, None), (2 * MINUTE + 1, MINUTE + 1), (HOUR, 59 * MINUTE)],
)
async def test_rule_11_a_late_fire_comes_once_and_says_how_overdue_it_is(
    house: House, passed: Micros, overdue: Micros | None
) -> None:
    number = house.site()
    assert await house.sweep()
    house.happened.forget()
    await house.pass_time(passed)
    (said,) = house.happened.of(SchedulesFired)
    assert [fired.overdue for fired in said.fired] == [overdue]
    assert await house.sweep()
    assert len(await house.events(number)) == 2


async def test_rule_12_one_trigger_touches_no_other(house: House) -> None:
    good, bad = house.site("good"), house.site("bad")
    assert await house.sweep()
    house.unseen(
        "INSERT INTO specs(id, text) VALUES (99, 'nonsense')",
        f"UPDATE timing SET spec_id = 99 WHERE trigger_id = {bad}",
    )
    await house.pass_time(MINUTE)
    assert await house.windows(good) == [BEGIN, BEGIN + MINUTE]
    assert await house.sweep()


async def test_rule_12_a_match_that_raises_ends_neither_the_tick_nor_its_siblings(
    house: House,
) -> None:
    touchy, good = house.trigger("touchy", "touchy"), house.site("good")
    bindings = [
        house.bind(touchy, house.workload(f"w{how}"), {"how": how})
        for how in ("yes", "raise", "no", "yes2")
    ]
    assert await house.sweep()
    house.by_hand(f"""UPDATE bindings SET rule = '{{"how": "yes"}}' WHERE id = {bindings[3]}""")
    await house.pass_time(MINUTE)
    results = await house.results(await house.fire(touchy))
    assert [(result.binding_id, result.outcome) for result in results] == [
        (bindings[0], Outcome.MATCHED),
        (bindings[1], Outcome.MATCH_FAILED),
        (bindings[2], Outcome.NOT_MATCHED),
        (bindings[3], Outcome.MATCHED),
    ]
    assert "a bug in somebody's match" in results[1].reason
    assert len(await house.events(good)) == 2


async def test_rule_13_a_window_and_a_hand_take_the_same_path(house: House) -> None:
    number = house.schedule("often", interval="60s")
    works = [house.bind(number, house.workload(f"w{n}")) for n in range(2)]
    off = house.bind(number, house.workload("off"))
    house.by_hand(f"UPDATE bindings SET enabled = 0 WHERE id = {off}")
    assert await house.sweep()
    (event,) = await house.events(number)
    by_hand = await house.fire(number)
    for one in (event, by_hand):
        results = await house.results(one)
        assert [(result.binding_id, result.outcome) for result in results] == [
            (works[0], Outcome.MATCHED),
            (works[1], Outcome.MATCHED),
            (off, Outcome.DISABLED),
        ]
        assert (await house.store.event(one.id)).fanned_at is not None


async def test_rule_14_ticks_and_fires_are_counted_and_each_fire_is_a_line(tmp_path: Path) -> None:
    log = Written()
    async with open_house(tmp_path, listening=[log.listen]) as house:
        for name in ("one", "two"):
            house.site(name)
        for _ in range(3):
            await house.pass_time(MINUTE)
        page = metrics(house)
        assert "tinyforge_scheduler_ticks_total 3.0" in page
        assert "tinyforge_scheduler_dispatched_total 6.0" in page
    fires = [line for line in log.lines if line.get("message") == "fired"]
    assert [(line["trigger"], line["kind"]) for line in fires] == [
        ("one", "schedule"),
        ("two", "schedule"),
    ] * 3
    assert fires[0]["at"] == "2026-01-05T12:01:00.000000Z"


def metrics(house: House) -> str:
    return Metrics(house.tally, lambda: True, lambda: 0, "1.0").render().decode()


class Written:
    """The lines of a log, as it would write them."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def listen(self, happening: Happening) -> None:
        self.lines += lines_of(happening, Level.INFO, BEGIN)
