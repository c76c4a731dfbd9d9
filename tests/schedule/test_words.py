"""What people write, and what they are told when it makes no sense."""

from __future__ import annotations

import time
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.schedule.timetables import at
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND
from tinyforge.schedule import crontab, words
from tinyforge.schedule.spec import At, CatchUp, Cron, First, Interval, dump_spec, load_spec
from tinyforge.schedule.words import Words
from tinyforge.triggers.schedule import Schedule

HOSTILE = [
    "",
    " ",
    "\0",
    "5s\0",
    "\ud800",
    "1" * 5_000,
    "1" * 5_000 + "s",
    "P" + "9" * 5_000 + "D",
    "x" * 2**20,
    "*/" + "1" * 5_000 + " * * * *",
    "0 " * 2**19,
    "*," * 2**19 + "* * * * *",
    "\u0661\u0660m",
    "-1",
    "1e308",
    "9223372036854775807",
    "../../etc/passwd",
    "0 0 * * fr\u0131",
]
FIELDS = [
    "interval",
    "cron",
    "at",
    "timezone",
    "anchor",
    "first",
    "catch_up",
    "max_late",
    "spread",
    "active_from",
    "active_until",
]
COMPANY: dict[str, dict[str, str]] = {"interval": {}, "cron": {}, "at": {}}


def refusal(**given: str) -> str:
    with pytest.raises(ValueError, match=":") as caught:
        Words(**given)
    return str(caught.value)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", HOSTILE, ids=[str(n) for n in range(len(HOSTILE))])
def test_hostile_text_is_refused_in_one_short_line_at_once(field: str, text: str) -> None:
    begun = time.process_time()
    message = refusal(**COMPANY.get(field, {"interval": "1h"}), **{field: text})
    assert time.process_time() - begun < 0.5
    assert message.startswith(f"{field}: ")
    assert len(message) <= 200
    assert message.isascii()
    assert message.isprintable()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"interval": "5s"}, "interval: '5s' is below the minimum of 10 s; write 10s or more"),
        (
            {"interval": "3651d"},
            "interval: '3651d' is above the maximum of 3,650 d; write 3650d or less",
        ),
        (
            {"interval": "1M"},
            (
                "interval: '1M' is not a duration; months and years have no fixed length; "
                "write days (30d), or use cron"
            ),
        ),
        ({"interval": "90"}, "interval: '90' is not a duration; it has no unit; write 90s"),
        ({"interval": "1H 30m"}, "interval: '1H 30m' is not a duration; write 1h30m"),
        ({}, "interval: missing; give one of interval, cron and at"),
        (
            {"interval": "1h", "cron": "@daily"},
            "cron: one too many; keep one of interval, cron and at",
        ),
        ({"cron": "@daily", "anchor": "2026-01-05"}, "anchor: goes only with interval; remove it"),
        (
            {"cron": "0 0 3 * * *"},
            "cron: '0 0 3 * * *' has 6 fields, not exactly 5; leave the seconds out",
        ),
        (
            {"cron": "*/61 * * * *"},
            "cron: minute '*/61' steps too far; a step is 1 to 60",
        ),
        (
            {"interval": "1h", "spread": "61m"},
            "spread: must not exceed the interval; make it shorter",
        ),
        (
            {"cron": "@daily", "spread": "25h"},
            "spread: must not exceed 1 d with cron; write 1d or less",
        ),
        ({"at": "2026-01-05", "spread": "1m"}, "spread: does not go with at; remove it"),
        ({"at": "2026-01-05", "first": "now"}, "first: does not go with at; remove it"),
        ({"interval": "1h", "first": "nwo"}, "first: 'nwo' is unknown; write now or wait"),
        (
            {"interval": "1h", "timezone": "Europe/Berlni"},
            "timezone: no zone 'Europe/Berlni'; did you mean Europe/Berlin?",
        ),
        (
            {"at": "1972-12-31T23:59:59Z"},
            "at: '1972-12-31T23:59:59Z' is outside the years 1973 to 2999; correct the year",
        ),
        (
            {"interval": "1h", "max_late": "0s"},
            "max_late: '0s' would skip every window; write 1s or more",
        ),
        (
            {"interval": "1h", "active_from": "2026-01-05", "active_until": "2026-01-05"},
            "active_until: must come after active_from",
        ),
    ],
)
def test_a_refusal_names_the_field_and_the_fix(given: dict[str, str], message: str) -> None:
    assert refusal(**given) == message


@pytest.mark.parametrize("text", ["1y", "1Y", "P1M", "P2Y", "3mo", "1 M", "P1Y2M", "2 years"])
def test_months_and_years_are_refused(text: str) -> None:
    assert refusal(interval=text).startswith("interval: ")


@pytest.mark.parametrize("field", ["3000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"])
def test_moments_end_with_2999(field: str) -> None:
    assert "1973 to 2999" in refusal(at=field)
    assert "1973 to 2999" in refusal(interval="1h", anchor=field)


@pytest.mark.parametrize("text", ["1973-01-01", "2999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_moment_are_taken(text: str) -> None:
    assert isinstance(Words(at=text).spec("").timetable.timing, At)


@pytest.mark.parametrize("text", ["2026-02-30", "2026-01-05T25:00Z", "2026-01-05T12:00+99:00"])
def test_a_moment_that_does_not_exist_is_refused(text: str) -> None:
    assert refusal(at=text).startswith("at: ")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-05T12:00:00+01:00", at(2026, 1, 5, 11)),
        ("2026-01-05 12:00", at(2026, 1, 5, 11)),
        ("2026-07-05", at(2026, 7, 4, 22)),
        ("2026-01-05t12:00:00.25z", at(2026, 1, 5, 12) + SECOND // 4),
        ("2026-03-29 02:30", at(2026, 3, 29, 1, 30)),  # in the gap: past it, 03:30
        ("2026-10-25 02:30", at(2026, 10, 25, 0, 30)),  # twice: the first
    ],
)
def test_a_moment_has_an_offset_or_is_a_wall_time(text: str, moment: int) -> None:
    assert Words(at=text, timezone="Europe/Berlin").spec("").timetable.timing == At(moment)


def test_all_words_together() -> None:
    spec = Words(
        interval="1h",
        anchor="2026-01-01T00:10",
        timezone="Europe/Berlin",
        first="now",
        catch_up="skip",
        max_late="10m",
        spread="5m",
        active_from="2026-01-01T00:00:00Z",
        active_until="2027-01-01T00:00:00Z",
    ).spec("often", tick_interval=SECOND)
    table = spec.timetable
    assert table.timing == Interval(every=HOUR, anchor=at(2025, 12, 31, 23, 10))
    assert (table.spread, 0 <= table.phase < 5 * MINUTE) == (5 * MINUTE, True)
    assert table.active == (at(2026, 1, 1) - 1, at(2027, 1, 1) - 1)
    assert (spec.first, spec.catch_up, spec.max_late) == (First.NOW, CatchUp.SKIP, 10 * MINUTE)
    assert spec.tick_interval == SECOND


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (Words(interval="60m"), Words(interval="PT1H", timezone="Asia/Tokyo"), True),
        (Words(cron="@daily"), Words(cron="@daily", timezone="Asia/Tokyo"), False),
        (Words(at="2026-01-05"), Words(at="2026-01-05T00:00Z"), True),
        (Words(at="2026-01-05"), Words(at="2026-01-05", timezone="Asia/Tokyo"), False),
        (Words(interval="1h"), Words(interval="1h", spread="0s"), True),
    ],
)
def test_an_edit_is_a_change_of_the_parsed_value(one: Words, other: Words, equal: bool) -> None:
    assert (one.spec("").timetable == other.spec("").timetable) is equal


@pytest.mark.parametrize(
    "given",
    [
        Words(interval="1h"),
        Words(interval="1h", first="wait", spread="7m", max_late="1d"),
        Words(interval="1h", anchor="2026-01-05", active_until="2027-01-01"),
        Words(cron="*/5 * * * MON-FRI", timezone="Europe/Berlin", catch_up="skip"),
        Words(at="2026-01-05"),
    ],
)
def test_a_spec_comes_back_from_its_text_with_the_tick_of_the_day(given: Words) -> None:
    spec = given.spec("often", tick_interval=5 * SECOND)
    text = dump_spec(spec)
    assert load_spec(text, 5 * SECOND) == spec
    assert dump_spec(given.spec("often", tick_interval=SECOND)) == text


def test_what_means_the_same_is_the_same_text() -> None:
    written = {
        dump_spec(words.spec(""))
        for words in (
            Words(interval="1h"),
            Words(interval="60m", first="now", timezone="Asia/Tokyo"),
            Words(interval="PT3600S", catch_up="latest", spread="0s"),
        )
    }
    assert len(written) == 1


@pytest.mark.parametrize(
    "text", ["", "{}", '{"timetable":{"timing":{"type":"interval","every":1}}}']
)
def test_a_text_that_nobody_dumped_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="no spec"):
        load_spec(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("@HOURLY", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@annually", "0 0 1 1 *"),
        ("*/60 */24 */31 */12 */7", "*/60 */24 */31 */12 */7"),
        ("0 0 * * 0-7", "0 0 * * 0,1,2,3,4,5,6"),
        ("0 0 * * 0,7", "0 0 * * 0"),
        ("*/30,*/15 * * * *", "*/15 * * * *"),
        ("*/15,7 * * * *", "*/15,7 * * * *"),
        ("*,5 * * * *", "* * * * *"),
        ("0 0 LW,1 feb 7l", "0 0 1,LW 2 0L"),
        ("0 0 * * 5#2,mon", "0 0 * * 1,5#2"),
    ],
)
def test_a_cron_is_stored_in_one_plain_spelling(text: str, plain: str) -> None:
    assert crontab.plain(text) == plain
    assert crontab.plain(plain) == plain


@pytest.mark.parametrize("text", ["* */25 * * *", "* * */32 * *", "* * * */13 *", "* * * * */8"])
def test_a_step_longer_than_its_field_is_refused(text: str) -> None:
    assert "steps too far" in refusal(cron=text)


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789*/,-LW#@ SUNMOFRI", max_size=30))
def test_any_cron_text_is_read_or_refused_quickly(text: str) -> None:
    begun = time.process_time()
    with suppress(ValueError):
        assert isinstance(words.cron(text), Cron)
    assert time.process_time() - begun < 1


def test_the_kind_reads_its_config_from_json() -> None:
    kind = msgspec.convert({"interval": "10m", "spread": "1m"}, Schedule)
    assert kind.spec("often").timetable.spread == MINUTE
    with pytest.raises(msgspec.ValidationError, match="interval: '5s' is below the minimum"):
        msgspec.convert({"interval": "5s"}, Schedule)


def test_a_schedule_takes_no_rule() -> None:
    kind = Schedule(interval="1d")
    assert kind.spec("").timetable.timing == Interval(every=DAY)
    with pytest.raises(ValueError, match="match: a schedule's events carry no facts; remove it"):
        kind.matcher({"branch": "main"})
