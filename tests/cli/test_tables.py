"""Tables fit a terminal, are whole in a pipe, and begin before their last row is known."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tinyforge.cli.deliveries import COLUMNS as DELIVERIES
from tinyforge.cli.tables import SAMPLE, Column, Row, render
from tinyforge.cli.text import columns as taken

COLUMNS = (
    Column("RUN", whole=True),
    Column("STATE", whole=True, state=True),
    Column("WORKLOAD"),
    Column("TRIGGER", leave_out=2),
    Column("TOOK", whole=True, right=True),
    Column("ERROR", leave_out=1),
)
ID = "run_01ka8x3v2m000"


def row(**cells: str) -> Row:
    given = {
        "state": "failed",
        "workload": "site",
        "trigger": "nightly",
        "took": "2.1s",
        "error": "",
    }
    return (ID, *{**given, **cells}.values())


def test_no_rows_are_no_lines() -> None:
    assert list(render(COLUMNS, [], 80)) == []


def test_one_row_is_a_head_and_a_line_without_spaces_at_the_end() -> None:
    head, line = render(COLUMNS, [row()], 80)
    assert head == "RUN                STATE   WORKLOAD  TRIGGER  TOOK  ERROR"
    assert line == "run_01ka8x3v2m000  failed  site      nightly  2.1s"


def test_a_long_cell_is_cut_and_an_id_is_not() -> None:
    lines = list(render(COLUMNS, [row(error="exit code 1 " * 30)], 80))
    assert all(taken(line) <= 80 for line in lines)
    assert lines[1].startswith(ID)
    assert lines[1].endswith("…")


def test_what_matters_least_is_left_out_first() -> None:
    head, _ = render(COLUMNS, [row(workload="w" * 63, trigger="t" * 63, error="e" * 200)], 76)
    assert "TRIGGER" not in head
    assert "ERROR" in head


def test_names_of_every_length_fit_whatever_the_width() -> None:
    rows = [row(workload="w" * 63, trigger="t" * 63, error="e" * 500)]
    for width in range(40, 200):
        assert all(taken(line) <= width for line in render(COLUMNS, rows, width))


def test_wide_letters_are_counted_as_they_are_shown() -> None:
    lines = list(render(COLUMNS, [row(error="配置エラー" * 20), row(error="ok")], 80))
    assert all(taken(line) <= 80 for line in lines)


def test_in_a_pipe_nothing_is_cut() -> None:
    error = "exit code 1 " * 30
    _, line = render(COLUMNS, [row(error=error)], None)
    assert line.endswith(error.rstrip())


def test_escapes_and_line_breaks_in_data_are_shown_and_not_done() -> None:
    hostile = "\x1b[2J\x07\r\nnext\x9b31m\u202eabc\u2028"
    text = "\n".join(render(COLUMNS, [row(error=hostile)], None))
    assert "\\x1b[2J\\x07\\r\\nnext\\x9b31m\\u202eabc\\u2028" in text
    assert len(text.splitlines()) == 2


def test_a_state_has_its_colour_only_where_colours_are_shown() -> None:
    assert "\x1b[31mfailed\x1b[0m" in "\n".join(render(COLUMNS, [row()], 80, colours=True))
    assert "\x1b" not in "\n".join(render(COLUMNS, [row()], 80))


def test_a_table_begins_while_its_rows_still_come() -> None:
    drawn = 0

    def rows() -> Iterator[Row]:
        nonlocal drawn
        while True:
            drawn += 1
            yield row()

    lines = render(COLUMNS, rows(), 80)
    for _ in range(10):
        next(lines)
    assert drawn <= SAMPLE + 1


@pytest.mark.parametrize("width", [80, None])
def test_ten_thousand_rows_take_well_under_a_second(width: int | None) -> None:
    rows = [row(error=f"exit code {number}") for number in range(10_000)]
    start = time.process_time()
    lines = list(render(COLUMNS, rows, width))
    assert len(lines) == 10_001
    assert time.process_time() - start < 0.8


def test_of_a_delivery_the_time_stays_whole_where_a_name_is_long() -> None:
    at = "2026-01-05 12:00:00 CET"
    row = ("dlv_01ka8x3v2m000", "n" * 40, at, "accepted", "evt_01ka8x3v2m000", "id", "219", "-")
    _, line = render(DELIVERIES, [row], 80)
    assert at in line
    assert len(line) <= 80
