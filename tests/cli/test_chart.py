"""Fires per minute as bars of text."""

from __future__ import annotations

from tinyforge.cli.chart import HEIGHT, Bars, Load, bars, draw
from tinyforge.clock import DAY, HOUR, MINUTE


def test_each_minute_has_its_own_bar_where_there_is_room() -> None:
    shown = bars([Load(2 * MINUTE, 3)], 0, 5 * MINUTE, 60)
    assert shown == Bars([0, 0, 3, 0, 0], 1)


def test_where_there_is_none_a_bar_is_the_busiest_of_its_minutes() -> None:
    loads = [Load(minute * MINUTE, minute % 7) for minute in range(24 * 60)]
    shown = bars(loads, 0, DAY, 66)
    assert shown.minutes == 22
    assert len(shown.heights) == 66
    assert max(shown.heights) == 6


def test_a_stretch_that_begins_within_a_minute_counts_that_minute() -> None:
    shown = bars([Load(0, 1), Load(HOUR, 2)], MINUTE // 2, HOUR + MINUTE // 2, 100)
    assert (shown.heights[0], shown.heights[-1]) == (1, 2)


def test_the_chart_has_its_scale_its_bars_and_its_ends() -> None:
    lines = list(draw(Bars([0, 1, 1200], 1), "00:00", "00:03"))
    assert len(lines) == HEIGHT + 2
    assert lines[0] == "1,200 │  █"
    assert lines[HEIGHT - 1] == "      │ ▁█"
    assert lines[-2] == "    0 └───"
    assert lines[-1] == "       00:00  00:03"


def test_a_terminal_without_blocks_gets_plain_letters() -> None:
    assert "".join(draw(Bars([0, 1, 2], 1), "a", "b", blocks=False)).isascii()


def test_nothing_at_all_is_an_empty_chart() -> None:
    assert len(list(draw(bars([], 0, DAY, 60), "a", "b"))) == 3


def test_few_fires_make_a_low_chart() -> None:
    assert next(draw(Bars([1, 0, 1], 1), "a", "b")) == "1 │█ █"
