"""Cron in a named zone, on the days on which its clocks are changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import json

from tests.server.place import Place, Server
from tinyforge.operations.answers import PreviewView

pytestmark = pytest.mark.slow

MANIFEST = """\
workloads:
  site: {kind: command, command: ["true"]}
triggers:
  nightly: {kind: schedule, cron: "30 2 * * *", timezone: Europe/Berlin}
  hourly: {kind: schedule, cron: "0 * * * *", timezone: Europe/Berlin}
  quarter: {kind: schedule, cron: "*/15 2 * * *", timezone: Europe/Berlin}
bindings:
  - {trigger: nightly, workload: site}
  - {trigger: hourly, workload: site}
  - {trigger: quarter, workload: site}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zones")


@pytest.fixture
def place(folder: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(folder, capsys)


@pytest.fixture(scope="module", autouse=True)
def server(folder: Path) -> Iterator[Server]:
    place = Place(folder)
    place.write(MANIFEST)
    with place.serving() as server:
        yield server


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever asks lives in Berlin."""
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("trigger", "after", "windows"),
    [
        ("nightly", "2027-03-27 12:00", ["2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]),
        ("nightly", "2027-10-30 12:00", ["2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"]),
        ("hourly", "2027-03-28 00:30", ["2027-03-28T01:00:00+01:00", "2027-03-28T03:00:00+02:00"]),
        ("hourly", "2027-10-31 01:30", ["2027-10-31T02:00:00+02:00", "2027-10-31T02:00:00+01:00"]),
        ("quarter", "2027-03-27 12:00", ["2027-03-29T02:00:00+02:00", "2027-03-29T02:15:00+02:00"]),
        (
            "quarter",
            "2027-10-31T00:40:00Z",
            ["2027-10-31T02:45:00+02:00", "2027-10-31T02:00:00+01:00"],
        ),
    ],
    ids=[
        "a time that is left out comes at the change",
        "a time that comes twice counts once",
        "every hour, though one is left out",
        "every hour, though one comes twice",
        "an hour that is left out has no quarters",
        "an hour that comes twice has eight quarters",
    ],
)
def test_on_the_day_of_the_change(
    place: Place, trigger: str, after: str, windows: list[str]
) -> None:
    said = place.asked("preview", trigger, "--after", after, "--count", "2")
    assert [window.local for window in json.decode(said, type=PreviewView).windows] == windows
