from __future__ import annotations

import pytest

from tests.operations.house import BEGIN, ME, House
from tinyforge.clock import DAY, HOUR, MINUTE, rfc3339
from tinyforge.errors import Refused
from tinyforge.operations.forecasts import MOST_FIRES

FLEET = "version: 1\ntriggers:\n" + "".join(
    f"  t{number}: {{kind: schedule, interval: 10s, first: wait}}\n" for number in range(50)
)


async def test_a_preview_tells_the_next_windows_in_the_schedules_own_zone(house: House) -> None:
    await house.apply()
    view = await house.doors.forecasts.preview("nightly", ME, 3)
    assert [one.window for one in view.windows] == [
        rfc3339(BEGIN + 14 * HOUR + day * DAY) for day in range(3)
    ]
    assert view.windows[0].local == "2026-01-06T03:00:00+01:00"
    assert (view.windows[0].timezone, view.windows[0].workloads) == ("Europe/Berlin", ["site"])


async def test_a_preview_may_begin_later(house: House) -> None:
    await house.apply()
    view = await house.doors.forecasts.preview("nightly", ME, 1, BEGIN + 30 * DAY)
    assert view.windows[0].window == rfc3339(BEGIN + 30 * DAY + 14 * HOUR)


async def test_a_paused_schedule_shows_its_windows_and_that_they_do_not_fire(
    house: House,
) -> None:
    await house.apply()
    await house.doors.triggers.pause("nightly", ME)
    view = await house.doors.forecasts.preview("nightly", ME, 2)
    assert len(view.windows) == 2
    assert "none of these fire" in view.notes[0]
    assert view.next_command == "tinyforge trigger resume nightly"


async def test_what_has_no_windows_previews_as_that(house: House) -> None:
    await house.apply()
    view = await house.doors.forecasts.preview("button", ME, 5)
    assert not view.windows
    assert "it has no windows" in view.notes[0]


async def test_an_at_that_has_passed_has_no_window_left(house: House) -> None:
    await house.apply("version: 1\ntriggers: {t: {kind: schedule, at: 2020-01-01T00:00:00Z}}\n")
    view = await house.doors.forecasts.preview("t", ME, 5)
    assert not view.windows
    assert "has no window after" in view.notes[-1]


async def test_the_next_windows_of_all_come_in_order_without_those_at_rest(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    view = await house.doors.forecasts.preview_all(ME, 5)
    assert [one.trigger for one in view.windows] == ["often"] * 5
    await house.doors.triggers.pause("often", ME)
    view = await house.doors.forecasts.preview_all(ME, 5)
    assert {one.trigger for one in view.windows} == {"nightly"}
    assert view.notes == ["1 paused or disabled, and left out: often"]


async def test_a_simulation_counts_fires_by_minute_and_names_the_busiest(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    view = await house.doors.forecasts.simulate(ME, BEGIN, BEGIN + DAY)
    assert view.total == 144 + 1
    assert view.cut_at is None
    assert view.busiest is not None
    assert (view.busiest.minute, view.busiest.fires) == (rfc3339(BEGIN + 14 * HOUR), 2)
    assert sum(one.fires for one in view.minutes) == view.total


async def test_a_simulation_of_too_much_is_cut_in_time_and_leaves_nobody_out(
    house: House,
) -> None:
    await house.apply(FLEET)
    view = await house.doors.forecasts.simulate(ME, BEGIN, BEGIN + 30 * DAY)
    assert view.total <= MOST_FIRES
    assert view.cut_at is not None
    assert view.minutes[0].fires == 50 * 6 or view.minutes[1].fires == 50 * 6


@pytest.mark.parametrize("span", [0, -MINUTE, 367 * DAY])
async def test_a_stretch_that_is_none_is_refused_with_an_example(house: House, span: int) -> None:
    with pytest.raises(Refused) as refused:
        await house.doors.forecasts.simulate(ME, BEGIN, BEGIN + span)
    assert refused.value.fix.startswith("tinyforge simulate")
