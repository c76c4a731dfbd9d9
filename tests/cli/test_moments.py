"""Moments as people type them and as people read them; these people live in Berlin."""

from __future__ import annotations

from datetime import datetime

import pytest

from tinyforge.cli.failure import CalledWrongly
from tinyforge.cli.moments import read_moment, show_length, show_moment
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, moment, rfc3339

NOW = moment(datetime.fromisoformat("2026-01-05T23:30:00Z"))  # half past midnight in Berlin


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("now", "2026-01-05T23:30:00Z"),
        ("-2h", "2026-01-05T21:30:00Z"),
        ("+1d", "2026-01-06T23:30:00Z"),
        ("-1h30m", "2026-01-05T22:00:00Z"),
        ("today", "2026-01-05T23:00:00Z"),
        ("yesterday", "2026-01-04T23:00:00Z"),
        ("tomorrow", "2026-01-06T23:00:00Z"),
        ("2026-01-05", "2026-01-04T23:00:00Z"),
        ("2026-01-05 12:00", "2026-01-05T11:00:00Z"),
        ("2026-07-05 12:00:30", "2026-07-05T10:00:30Z"),
        ("2026-01-05T12:00", "2026-01-05T11:00:00Z"),
        ("2026-01-05T12:00:00Z", "2026-01-05T12:00:00Z"),
        ("2026-01-05T12:00:00-05:00", "2026-01-05T17:00:00Z"),
        ("3:00", "2026-01-06T02:00:00Z"),
        ("03:00", "2026-01-06T02:00:00Z"),
        ("3:00:30", "2026-01-06T02:00:30Z"),
        ("2026-10-25 02:30", "2026-10-25T00:30:00Z"),  # shown twice: the first
        ("2026-03-29 02:30", "2026-03-29T01:30:00Z"),  # never shown: past the gap
    ],
)
def test_what_a_person_types_is_meant_where_they_are(typed: str, meant: str) -> None:
    assert rfc3339(read_moment(typed, NOW)) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-01-05 12:00", "2026-01-05T12:00:00Z"),
        ("today", "2026-01-05T00:00:00Z"),
        ("3:00", "2026-01-05T03:00:00Z"),
    ],
)
def test_with_utc_it_is_meant_in_utc(typed: str, meant: str) -> None:
    assert rfc3339(read_moment(typed, NOW, in_utc=True)) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "soon",
        "12",
        "25:00",
        "2026-13-01",
        "-1month",
        "-99999999d",
        "0001-01-01 00:00",
        "9" * 5000,
    ],
)
def test_what_is_no_time_is_called_wrongly_with_examples(typed: str) -> None:
    with pytest.raises(CalledWrongly, match="is not a time; write '2026-01-05 12:00'"):
        read_moment(typed, NOW)


def test_a_misspelt_option_in_a_moments_place_is_named_as_one() -> None:
    with pytest.raises(CalledWrongly, match="there is no option --josn"):
        read_moment("--josn", NOW)


def test_a_moment_is_shown_with_its_zone() -> None:
    assert show_moment("2026-01-05T12:00:00Z") == "2026-01-05 13:00:00 CET"
    assert show_moment("2026-07-05T12:00:00Z") == "2026-07-05 14:00:00 CEST"
    assert show_moment("2026-01-05T12:00:00Z", in_utc=True) == "2026-01-05 12:00:00 UTC"
    assert show_moment("2026-01-05T12:00:00.25Z", in_utc=True) == "2026-01-05 12:00:00 UTC"
    assert show_moment(None) == "-"


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (None, "-"),
        (0, "0ms"),
        (4_200, "4ms"),
        (999_999, "1.0s"),
        (2_100_000, "2.1s"),
        (59_999_999, "1m"),
        (MINUTE, "1m"),
        (90 * SECOND, "1m 30s"),
        (HOUR + 5 * MINUTE + 3 * SECOND, "1h 5m"),
        (HOUR + 3 * SECOND, "1h"),
        (40 * DAY, "40d"),
        (-3 * SECOND, "-3.0s"),
    ],
)
def test_a_length_of_time_is_shown_in_its_two_largest_parts(length: int | None, shown: str) -> None:
    assert show_length(length) == shown
