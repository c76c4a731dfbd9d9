from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.observe.test_log import pipe_of
from tinyforge.clock import SystemClock
from tinyforge.observe.events import Happening, ManifestApplied, TickBegan
from tinyforge.observe.lines import Level, Line
from tinyforge.observe.listeners import listeners
from tinyforge.observe.log import Log, as_json


@contextmanager
def heard(log: Log) -> Iterator[None]:
    """Have *log* hear what libraries say, as the server does."""
    root = logging.getLogger()
    root.addHandler(log)
    try:
        yield
    finally:
        root.removeHandler(log)


def test_one_that_raises_is_said_once_and_its_neighbours_hear_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[Happening] = []

    def bad(happening: Happening) -> None:
        raise ValueError("no")

    observe = listeners(heard.append, bad, heard.append)
    observe(TickBegan())
    observe(TickBegan())
    assert heard == [TickBegan()] * 4
    assert caplog.text.count("ValueError: no") == 1
    assert "TickBegan" in caplog.text


def test_the_report_is_a_line_of_the_log_as_all_others_are() -> None:
    def bad(happening: Happening) -> None:
        raise ValueError("no")

    with pipe_of() as (pipe, ends), heard(Log(pipe, as_json, SystemClock())):
        listeners(bad)(TickBegan())
        line = json.loads(ends.reader.readline())
    assert (line["level"], line["happening"]) == ("error", "LibraryRecord")
    assert "on TickBegan; it is said once" in line["message"]
    assert line["stack"].endswith("ValueError: no")


def test_a_log_that_fails_itself_is_reported_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(lines: Sequence[Line]) -> bytes:
        raise ValueError("cannot be rendered")

    with pipe_of() as (pipe, _):
        log = Log(pipe, broken, SystemClock(), Level.DEBUG)
        with heard(log):
            listeners(log)(ManifestApplied(source="site.yaml", changes=1))
    assert "ValueError: cannot be rendered" in capsys.readouterr().err


def test_the_end_of_the_process_passes_through() -> None:
    def end(happening: Happening) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        listeners(end)(TickBegan())
