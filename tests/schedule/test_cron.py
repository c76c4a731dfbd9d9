"""Cron moments against a minute-by-minute oracle, around every shift of eleven zones."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tests.schedule.timetables import ZONES, at, cron_moments, crons, transitions
from tinyforge.clock import DAY, HOUR, MINUTE, moment, utc
from tinyforge.schedule import cron, words
from tinyforge.schedule.spec import Cron, Stretch

AROUND = [
    at(day.year, day.month, day.day) // DAY * DAY
    for zone in ZONES
    for year in (2011, 2018, 2026)
    for day in transitions(zone, year)
]


@st.composite
def moments_near_a_shift(draw: st.DrawFn) -> int:
    return draw(st.sampled_from(AROUND)) + draw(st.integers(0, 3 * DAY))


@settings(max_examples=300)
@given(crons(), moments_near_a_shift())
def test_next_is_the_first_moment_strictly_after(expression: Cron, start: int) -> None:
    found = cron.next_after(expression, start)
    assert found is not None
    assert found > start
    assert cron_moments(expression, start, found) == [found]


@settings(max_examples=200)
@given(crons(), moments_near_a_shift(), st.integers(0, 3 * DAY))
def test_the_newest_is_found_by_walking_forward(expression: Cron, after: int, length: int) -> None:
    newest = cron.newest_in(expression, Stretch(after, after + length))
    expected = cron_moments(expression, after, after + length)
    assert newest == (expected[-1] if expected else None)


@pytest.mark.parametrize("text", ["0 0 29 2 *", "0 0 1 1 *", "0 12 13 * FRI", "@monthly"])
def test_the_newest_of_a_rare_one_is_found(text: str) -> None:
    rare = words.cron(text, "Europe/Berlin")
    newest = cron.newest_in(rare, Stretch(at(2001, 1, 1), at(2026, 2, 27)))
    assert newest is not None
    assert (cron.next_after(rare, newest) or 0) > at(2026, 2, 27)


def test_from_inside_the_repeated_hour_it_never_goes_back() -> None:
    second_0210 = at(2026, 10, 25, 1, 10)
    found = cron.next_after(words.cron("30 2 * * *", "Europe/Berlin"), second_0210)
    assert found == at(2026, 10, 26, 1, 30)


@pytest.mark.parametrize(
    "text", ["*/10 0 * * *", "* 4 * * *", "0 */2 * * *", "* 3 * * *", "40 * * * *"]
)
@pytest.mark.parametrize("day", [(2026, 4, 4), (2026, 10, 3)])
def test_a_shift_of_half_an_hour_swallows_no_window(text: str, day: tuple[int, ...]) -> None:
    expression = words.cron(text, "Australia/Lord_Howe")
    for start in range(at(*day, 10), at(*day, 10) + DAY, 10 * MINUTE):
        expected = cron_moments(expression, start, start + 2 * DAY)[0]
        assert cron.next_after(expression, start) == expected


@pytest.mark.parametrize(
    ("text", "zone", "day", "fires"),
    [
        ("30 2 * * *", "Europe/Berlin", (2026, 3, 29), ["01:00"]),  # gap: when the gap ends
        ("30 2 * * *", "Europe/Berlin", (2026, 10, 25), ["00:30"]),  # twice: the first
        ("*/15 2 * * *", "Europe/Berlin", (2026, 3, 29), []),
        ("0 * * * *", "Europe/Berlin", (2026, 3, 29), [f"{h:02}:00" for h in range(24)]),
        ("0 0 * * *", "America/Santiago", (2026, 9, 6), ["04:00"]),
        ("0 9 * * *", "Pacific/Apia", (2011, 12, 30), ["10:00", "19:00"]),
    ],
)
def test_days_with_a_shift(text: str, zone: str, day: tuple[int, ...], fires: list[str]) -> None:
    expression = words.cron(text, zone)
    start, found = at(*day) - 1, []
    while (following := cron.next_after(expression, start)) is not None:
        if following >= at(*day) + DAY:
            break
        found.append(f"{utc(following):%H:%M}")
        start = following
    assert found == fires


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0 0 * * *", "@daily"),
        ("00 3 * * *", "0 3 * * *"),
        ("0,30 3 * * SUN", "30,0 3 * * 7"),
        ("0-2 3 * * 1-5", "0,1,2 3 * * mon-fri"),
        ("*/1 * * * *", "* * * * *"),
    ],
)
def test_texts_that_mean_the_same_are_equal(one: str, other: str) -> None:
    assert words.cron(one) == words.cron(other)


@pytest.mark.parametrize(
    "text", ["* * * * * *", "*/100 * * * *", "61 * * * *", "0 0 30 2 *", "nonsense", ""]
)
def test_a_cron_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cron|step|bad|fields|never"):
        words.cron(text)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no zone .*; write"):
        words.cron("@daily", "Mars/Base")


@pytest.mark.parametrize(
    ("text", "length"),
    [("90s", 90), ("1h30m", 5400), ("7d", 604_800), ("P1DT2H", 93_600), ("P1W", 604_800)],
)
def test_durations(text: str, length: int) -> None:
    assert words.duration(text) == length * 1_000_000


@pytest.mark.parametrize("text", ["", "P1M", "P1Y", "1.5h", "-5s", "30", "P", "PT", "1m1h", "10"])
def test_a_duration_without_a_fixed_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        words.duration(text)


def test_moments_are_exact_both_ways() -> None:
    assert moment(utc(at(2026, 3, 29, 1) + 1)) == at(2026, 3, 29, 1) + 1
    assert at(1970, 1, 1, 1) == HOUR


@settings(max_examples=60, deadline=None)
@given(crons(), moments_near_a_shift(), st.integers(0, 4 * DAY))
def test_all_are_counted_around_a_shift(expression: Cron, after: int, length: int) -> None:
    stretch = Stretch(after, after + length)
    assert cron.count_in(expression, stretch) == len(cron_moments(expression, *stretch))


@pytest.mark.parametrize("text", ["* * * * *", "30 2 * * *", "*/20 0 * * 0", "15,45 23 1 * *"])
@pytest.mark.parametrize("zone", ["UTC", *ZONES])
def test_a_year_is_counted_as_it_is_walked(text: str, zone: str) -> None:
    expression = words.cron(text, zone)
    begin = at(2011, 12, 1)
    stretch = Stretch(begin, begin + (10 if text == "* * * * *" else 370) * DAY)
    walked, found = 0, cron.next_after(expression, stretch.after)
    while found is not None and found <= stretch.until:
        walked, found = walked + 1, cron.next_after(expression, found)
    assert cron.count_in(expression, stretch) == walked


RARE = st.builds(
    "{} {} {} {} {}".format,
    st.sampled_from(["*", "*/7", "0", "59", "30,31"]),
    st.sampled_from(["*", "*/5", "0", "23", "1,2,3"]),
    st.sampled_from(["*", "1", "29", "31", "L", "LW", "*/31"]),
    st.sampled_from(["*", "2", "12", "2,4"]),
    st.sampled_from(["*", "0", "5L", "1#5"]),
)


@settings(max_examples=200, deadline=None)
@given(RARE, st.sampled_from(["UTC", *ZONES]), moments_near_a_shift())
def test_no_cron_hangs_and_next_is_always_later(text: str, zone: str, start: int) -> None:
    begun = time.process_time()
    try:
        expression = words.cron(text, zone)
    except ValueError:
        reject()
    found = cron.next_after(expression, start)
    assert found is None or found > start
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("text", ["* * 29 2 *", "*/9 */7 */28 2 1#5", "0 0 */28 2 1#5"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Apia"])
def test_a_very_rare_one_is_found_without_looking_at_every_day(text: str, zone: str) -> None:
    expression = words.cron(text, zone)
    begun = time.process_time()
    found = cron.next_after(expression, at(2026, 3, 1))
    newest = cron.newest_in(expression, Stretch(at(1974, 1, 1), at(2026, 3, 1)))
    assert found is not None
    assert newest is not None
    assert at(2024, 2, 28) > newest or text == "* * 29 2 *"
    assert time.process_time() - begun < 1


def test_one_that_never_comes_is_refused_at_once() -> None:
    begun = time.process_time()
    with pytest.raises(ValueError, match="never comes; correct day and month"):
        words.cron("* * */31 2 1#5")
    assert time.process_time() - begun < 1
