"""What the page about schedules says of days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.docs.tables import page, rows, section
from tinyforge.clock import HOUR, Moment, moment, utc
from tinyforge.schedule import cron, words

PAGE = section(page("schedules.md"), "### When the clocks change")
SPRING = datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Berlin"))
AUTUMN = datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Berlin"))


def fires(expression: str, day: datetime) -> list[str]:
    """Return the wall times of one whole day, with their offsets."""
    spec = words.cron(expression, str(day.tzinfo))
    at: Moment | None = moment(day.astimezone(UTC)) - 1
    end = moment((day + timedelta(days=1)).astimezone(UTC))
    found = []
    while at is not None and (at := cron.next_after(spec, at)) is not None and at < end:
        found.append(f"{utc(at).astimezone(day.tzinfo):%H:%M%z}")
    return found


def test_the_page_shows_these_expressions() -> None:
    assert list(rows(PAGE)) == ["30 2 * * *", "*/15 2 * * *"]
    assert "| `0 * * * *`, `*/10 * * * *` |" in PAGE


def test_a_daily_time_comes_once_on_each_day() -> None:
    assert fires("30 2 * * *", SPRING) == ["03:00+0200"]
    assert fires("30 2 * * *", AUTUMN) == ["02:30+0200"]


@pytest.mark.parametrize(("expression", "an_hour"), [("0 * * * *", 1), ("*/10 * * * *", 6)])
def test_hourly_times_follow_real_hours(expression: str, an_hour: int) -> None:
    assert len(fires(expression, SPRING)) == 23 * an_hour
    assert len(fires(expression, AUTUMN)) == 25 * an_hour


def test_a_star_within_the_hour_of_the_change_follows_real_time() -> None:
    assert fires("*/15 2 * * *", SPRING) == []
    assert len(fires("*/15 2 * * *", AUTUMN)) == 8


def test_a_date_left_out_fires_at_the_transition() -> None:
    before = moment(datetime(2011, 12, 29, 22, tzinfo=UTC))
    at = cron.next_after(words.cron("0 9 * * *", "Pacific/Apia"), before)
    assert at is not None
    assert f"{utc(at).astimezone(ZoneInfo('Pacific/Apia')):%d %H:%M}" == "31 00:00"
    assert at - before < 24 * HOUR
