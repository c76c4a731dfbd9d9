"""`tinyforge preview` and `tinyforge simulate`."""

from __future__ import annotations

import pytest

from tests.cli.calls import Calls
from tests.cli.desk import Desk
from tinyforge.operations.answers import MinuteView, PreviewView, SimulateView, WindowView

WINDOW = WindowView(
    trigger="nightly",
    window="2026-01-06T02:00:00Z",
    local="2026-01-06T03:00:00+01:00",
    timezone="Europe/Berlin",
    workloads=["site"],
)
DAY = SimulateView(
    since="2026-01-05T23:00:00Z",
    until="2026-01-06T23:00:00Z",
    total=1_442,
    windows=[WINDOW],
    minutes=[
        MinuteView(minute=f"2026-01-06T{hour:02}:00:00Z", fires=hour) for hour in range(1, 23)
    ],
    busiest=MinuteView(minute="2026-01-06T22:00:00Z", fires=22),
)


def test_the_next_windows_of_one_schedule(desk: Desk, call: Calls) -> None:
    desk.say("GET /triggers/nightly/preview", PreviewView(windows=[WINDOW]))
    said = call("preview", "nightly", "--count", "3")
    assert said.lines[1].startswith("2026-01-06 03:00:00 CET  nightly")
    assert desk.asked[0].query == "count=3"


def test_the_next_windows_of_all_after_a_moment(desk: Desk, call: Calls) -> None:
    desk.say("GET /preview", PreviewView(windows=[], notes=["nightly is paused"]))
    said = call("preview", "--after", "2026-01-05 12:00")
    assert desk.asked[0].query == "count=10&after=2026-01-05T11%3A00%3A00Z"
    assert said.err.splitlines() == ["no windows ahead", "nightly is paused"]


def test_a_simulation_has_its_busiest_minute_and_a_chart_of_80_columns(
    desk: Desk, call: Calls
) -> None:
    desk.say("GET /simulate", DAY)
    said = call("simulate", "--from", "2026-01-06", "--to", "2026-01-07")
    assert desk.asked[0].query == "from=2026-01-05T23%3A00%3A00Z&to=2026-01-06T23%3A00%3A00Z"
    assert said.lines[0] == "1,442 fires from 2026-01-06 00:00:00 CET to 2026-01-07 00:00:00 CET"
    assert said.lines[1] == "busiest minute: 2026-01-06 23:00:00 CET, 22 fires"
    assert said.lines[3] == "fires per minute, the busiest of each 22m"
    assert said.lines[4].startswith("22 │")
    assert all(len(line) <= 80 for line in said.lines)


def test_relative_moments_begin_with_a_sign(desk: Desk, call: Calls) -> None:
    desk.say("GET /simulate", DAY)
    assert call("simulate", "--from", "-2h", "--to", "+2h").code == 0


def test_a_simulation_that_was_cut_says_where(desk: Desk, call: Calls) -> None:
    cut = SimulateView(
        since=DAY.since, until=DAY.until, total=0, windows=[], minutes=[], cut_at=WINDOW.window
    )
    desk.say("GET /simulate", cut)
    assert "cut at 2026-01-06 03:00:00 CET" in call("simulate").err


@pytest.mark.parametrize("to", ["now", "-1h"])
def test_a_simulation_must_end_after_it_begins(to: str, desk: Desk, call: Calls) -> None:
    said = call("simulate", "--from", "+1h", "--to", to)
    assert said.code == 2
    assert desk.asked == []
