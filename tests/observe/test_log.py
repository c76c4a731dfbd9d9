from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from tests.observe.happenings import (
    CATCH_UP,
    NOON,
    ended,
    ends,
    fired,
    fires,
    kinds_of_happening,
    refusals,
)
from tinyforge.clock import Micros, SystemClock
from tinyforge.model import EventId, Outcome, RunState
from tinyforge.observe import events
from tinyforge.observe.console import MOMENTS, as_text
from tinyforge.observe.events import BlockedLoop, EventsAccepted, Happening, RowBroken, TickBegan
from tinyforge.observe.lines import ENDED, REFUSED, SINGLE, Level, Line, lines_of, shape_of
from tinyforge.observe.log import Log, as_json, rendering
from tinyforge.observe.pipe import Pipe, open_pipe

BATCHES = {events.SchedulesFired, events.RunsEnded, events.EventsFannedOut}
ROWS = [events.FiredWindow, events.EndedRunLine, events.BindingResult]


def said(happening: Happening, least: Level = Level.INFO) -> list[Line]:
    return lines_of(happening, least, NOON)


def broken(problem: str) -> RowBroken:
    return RowBroken(what="trigger", row_id=7, name="by-hand", problem=problem)


# --- what is said


def test_a_fire_is_one_line_with_trigger_kind_and_time() -> None:
    first, second = said(fires(fired("often", late_by=1_500), fired("nightly")))
    assert first["message"] == "fired"
    assert first["trigger"] == "often"
    assert first["kind"] == "schedule"
    assert first["time"] == first["at"] == "2026-01-05T12:00:00.000000Z"
    assert first["window"] == "2026-01-05T11:59:59.998500Z"
    assert first["late_by_ms"] == 1.5
    assert first["event_id"] == "evt_0000000000002"
    assert second["trigger"] == "nightly"


def test_a_catch_up_adds_one_warning_that_says_how_overdue() -> None:
    fire, warning = said(CATCH_UP)
    assert fire["level"] == "info"
    assert warning["level"] == "warning"
    assert "catch-up: overdue by 2 days, 1:00:00" in str(warning["message"])
    assert warning["folded"] == 2
    assert len(said(CATCH_UP, Level.WARNING)) == 1


def test_a_broken_row_is_an_error_with_its_name_and_reason() -> None:
    (line,) = said(broken("interval: '5s' is below the minimum of 10 s"))
    assert line["level"] == "error"
    assert line["name"] == "by-hand"
    assert line["row_id"] == "7"
    assert "below the minimum" in str(line["problem"])


@pytest.mark.parametrize("state", sorted(ENDED))
def test_every_end_of_a_run_is_one_line(state: RunState) -> None:
    (line,) = said(ends(ended(state, took=2_000)), Level.DEBUG)
    assert line["state"] == state.word
    assert line["took_ms"] == 2.0
    assert line["run_id"] == "run_0000000000003"
    assert "error" not in line


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.MATCHED}))
def test_every_refusal_is_one_line_with_its_reason(outcome: Outcome) -> None:
    (line,) = said(refusals(outcome))
    assert line["outcome"] == outcome
    assert line["reason"] == "branch is dev"
    assert str(line["message"]).startswith("no run: ")


def test_what_is_less_grave_than_asked_for_is_left_out() -> None:
    assert said(TickBegan()) == []
    assert len(said(TickBegan(), Level.DEBUG)) == 1
    assert said(ends(ended(RunState.SUCCEEDED)), Level.ERROR) == []
    assert len(said(ends(ended(RunState.FAILED)), Level.ERROR)) == 1


def test_a_long_list_of_ids_is_cut_and_says_so() -> None:
    (line,) = said(EventsAccepted(events=[EventId(n) for n in range(50)]), Level.DEBUG)
    assert isinstance(line["events"], list)
    assert line["events"][-1] == "and 30 more"
    assert len(line["events"]) == 21


def test_a_text_without_end_is_cut_and_says_so() -> None:
    (line,) = said(broken("x" * 1_000_000))
    assert str(line["problem"]).endswith("x… (995904 characters more)")


@pytest.mark.parametrize("kind", kinds_of_happening())
def test_every_happening_has_words(kind: type[Happening]) -> None:
    assert (kind in SINGLE) != (kind in BATCHES)


@pytest.mark.parametrize("record", [*SINGLE, *ROWS])
def test_every_field_has_a_form(record: type[Struct]) -> None:
    fields = {field.name for field in msgspec.structs.fields(record)} - {"trigger_id"}
    assert {name for _, name, *_ in shape_of(record)} == fields


def test_every_outcome_and_state_has_words() -> None:
    assert set(REFUSED) == set(Outcome) - {Outcome.MATCHED}
    assert set(ENDED) == set(RunState) - {RunState.RUNNING}


def test_the_console_knows_every_moment_of_a_line() -> None:
    records = [*kinds_of_happening(), *ROWS]
    moments = {
        name
        for record in records
        for name, annotation in record.__annotations__.items()
        if annotation == "Moment"
    }
    assert moments | {"time"} == MOMENTS


# --- how it looks


def test_json_is_one_object_a_line() -> None:
    text = as_json(said(fires(fired("a"), fired("b"))))
    assert [json.loads(line)["trigger"] for line in text.splitlines()] == ["a", "b"]
    assert text.endswith(b"}\n")


@given(st.text())
def test_json_gives_back_any_text_and_holds_nothing_that_steers(text: str) -> None:
    rendered = as_json(said(broken(text)))
    assert json.loads(rendered)["problem"] == text
    assert rendered.count(b"\n") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]", rendered.decode())


@given(st.text())
def test_the_console_shows_any_text_and_nothing_that_steers(text: str) -> None:
    rendered = as_text(colours=False)(said(broken(text))).decode()
    assert rendered.count("\n") == 1
    assert rendered[:-1].isprintable()


def test_half_a_character_is_shown_as_it_stands() -> None:
    line = said(broken("\ud800!"))
    assert json.loads(as_json(line))["problem"] == "\\ud800!"
    assert b"\\ud800!" in as_text(colours=False)(line)


def test_a_stack_keeps_its_lines_on_the_console_and_nothing_else() -> None:
    happening = BlockedLoop(doing="match of push", seconds=10.5, stack='File "a.py"\nhere\x1b[2J')
    rendered = as_text(colours=False)(said(happening)).decode()
    assert "\nhere\\x1b[2J" in rendered
    assert "\x1b" not in rendered


def test_the_console_shows_local_time_with_its_zone_once(
    monkeypatch: pytest.MonkeyPatch, in_berlin: None
) -> None:
    rendered = as_text(colours=False)(said(fires(fired()))).decode()
    assert rendered.startswith("2026-01-05 13:00:00.000 CET [info     ] fired ")
    assert "at=" not in rendered
    assert "SchedulesFired" not in rendered


def test_auto_is_json_unless_a_terminal_reads() -> None:
    assert rendering("auto", terminal=False) is as_json
    assert rendering("json", terminal=True) is as_json
    line = said(fires(fired()))
    assert b"\x1b[" in rendering("auto", terminal=True)(line)
    assert b"\x1b[" not in rendering("console", terminal=False)(line)


# --- where it goes


class Ends:
    """The two ends of a pipe of the operating system."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self.reader = os.fdopen(self.read, "rb")

    def close(self) -> None:
        self.reader.close()
        os.close(self.write)


@contextmanager
def pipe_of(most_waiting: int = 1 << 20) -> Iterator[tuple[Pipe, Ends]]:
    ends = Ends()
    try:
        with open_pipe(ends.write, most_waiting) as pipe:
            yield pipe, ends
    finally:
        ends.close()


def test_what_is_logged_arrives_in_order() -> None:
    with pipe_of() as (pipe, ends):
        log = Log(pipe, as_json, SystemClock())
        log(fires(fired("a"), fired("b")))
        log(fires(fired("c")))
        triggers = [json.loads(ends.reader.readline())["trigger"] for _ in range(3)]
    assert triggers == ["a", "b", "c"]


def test_a_reader_that_went_away_costs_lines_and_nothing_else() -> None:
    with pipe_of() as (pipe, ends):
        ends.reader.close()
        log = Log(pipe, as_json, SystemClock())
        log(fires(fired(), fired()))
        assert pipe.flush()
        assert pipe.dropped == 2


def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with open_pipe(full) as pipe:
        Log(pipe, as_json, SystemClock())(fires(fired()))
        assert pipe.flush()
        assert pipe.dropped == 1
    os.close(full)


def test_a_reader_that_stalls_is_never_waited_for_and_learns_what_it_missed() -> None:
    with pipe_of(most_waiting=200_000) as (pipe, ends):
        log = Log(pipe, as_json, SystemClock())
        for _ in range(3_000):
            log(fires(fired()))
        assert not pipe.flush(at_most=0)
        assert pipe.dropped > 0
        arrived = [json.loads(ends.reader.readline()) for _ in range(500)]
        log(fires(fired("after")))
        while arrived[-1].get("trigger") != "after":
            arrived.append(json.loads(ends.reader.readline()))
    losses = [line["total"] for line in arrived if line["happening"] == "LogLinesDropped"]
    assert losses[-1] == pipe.dropped
    assert len(arrived) - len(losses) + losses[-1] == 3_001


def test_the_last_words_before_a_hard_end_are_written_at_once() -> None:
    with pipe_of() as (pipe, ends):
        log = Log(pipe, as_json, SystemClock())
        log(BlockedLoop(doing="the match of push", seconds=10.5, stack=""))
        os.set_blocking(ends.read, False)
        assert json.loads(ends.reader.readline())["doing"] == "the match of push"


def test_a_pipe_that_does_not_block_is_written_whole() -> None:
    with pipe_of() as (pipe, ends):
        os.set_blocking(ends.write, False)
        text = b"x" * 500_000 + b"\n"
        pipe.write(text, 1)
        assert ends.reader.readline() == text
    assert pipe.dropped == 0


def test_records_of_libraries_are_lines_too() -> None:
    with pipe_of() as (pipe, ends):
        logger = logging.getLogger("some.library")
        handler = Log(pipe, as_json, SystemClock())
        logger.addHandler(handler)
        logger.info("left out")
        logger.error("it broke: %s", "badly", exc_info=LookupError("deep inside"))
        logger.removeHandler(handler)
        line = json.loads(ends.reader.readline())
    assert line["message"] == "it broke: badly"
    assert line["logger"] == "some.library"
    assert line["stack"].endswith("LookupError: deep inside")


def test_a_line_costs_no_more_than_its_few_microseconds() -> None:
    """Far above the measured cost, so that only a blunder fails here."""
    many: Micros = 2_000
    batch = fires(*(fired(f"trigger-{n}", late_by=n) for n in range(many)))
    clock = SystemClock()
    began = clock.monotonic()
    as_json(said(batch))
    assert clock.monotonic() - began < 100 * many
