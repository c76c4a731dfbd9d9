"""Triggers of kind `run`: "tell me when it fails" and "after this, that"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.place import Place, Server

pytestmark = pytest.mark.slow

MANIFEST = """\
workloads:
  good: {kind: command, command: [echo, done]}
  bad: {kind: command, command: [sh, -c, "exit 3"]}
  stubborn: {kind: command, command: ["false"], retry: {attempts: 2, backoff: 1s}}
  endless: {kind: command, command: [sleep, "300"], queue: every}
  turning: {kind: command, command: ["true"]}
  tell:
    kind: command
    queue: every
    command: [sh, -c, 'echo "$WORKLOAD $STATE $RUN by $TINYFORGE_TRIGGER: $ERROR"']
    env: {WORKLOAD: {event: /workload}, STATE: {event: /state}, RUN: {event: /run}, ERROR: {event: /error}}
triggers:
  trouble: {kind: run, workloads: [good, bad, stubborn]}
  then: {kind: run, workloads: [good], on: [succeeded]}
  after-that: {kind: run, workloads: [tell], on: [succeeded]}
  cut-short: {kind: run, workloads: [endless], on: [cancelled, interrupted]}
  carousel: {kind: run, workloads: [turning], on: [succeeded]}
bindings:
  - {trigger: trouble, workload: tell}
  - {trigger: then, workload: tell}
  - {trigger: cut-short, workload: tell}
  - {trigger: carousel, workload: turning}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("following")


@pytest.fixture
def place(folder: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(folder, capsys)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    place = Place(folder)
    place.write(MANIFEST)
    with place.serving() as server:
        yield server


def told_of(place: Place, run: str) -> list[str]:
    """Return what was told of *run* once something was."""
    place.until(lambda: any(run in line for line in all_told(place)), f"{run} is told of")
    return [line for line in all_told(place) if run in line]


def all_told(place: Place) -> list[str]:
    runs = [run.id for run in place.runs_of("tell") if run.state == "succeeded"]
    return [line for run in runs for line in place.lines(run)]


def test_a_failure_is_told_with_its_run_and_its_reason(place: Place, server: Server) -> None:
    run = place.deploy("bad")
    assert told_of(place, run) == [f"bad failed {run} by trouble: sh exited with 3"]
    (event,) = [one for one in place.events_of("trouble") if one.facts["run"] == run]
    assert event.facts["workload"] == "bad"
    (result,) = place.event(event.id).results
    assert (result.workload, result.outcome) == ("tell", "matched")


def test_after_this_comes_that_and_nothing_else(place: Place, server: Server) -> None:
    run = place.deploy("good")
    assert told_of(place, run) == [f"good succeeded {run} by then: "]
    assert not [one for one in place.events_of("trouble") if one.facts["run"] == run]
    (told,) = [one for one in place.events_of("then") if one.facts["run"] == run]
    (result,) = place.event(told.id).results
    assert result.run
    assert [
        one.facts["hops"] for one in place.events_of("after-that") if one.facts["run"] == result.run
    ] == [2]


def test_a_retry_that_fails_in_the_end_is_told_once(place: Place, server: Server) -> None:
    run = place.deploy("stubborn")
    assert place.until_run_is("failed", run).run.attempt == 2
    assert told_of(place, run) == [f"stubborn failed {run} by trouble: false exited with 1"]
    assert len([one for one in place.events_of("trouble") if one.facts["run"] == run]) == 1


def test_a_cancelled_run_is_told_at_work_and_in_the_queue(place: Place, server: Server) -> None:
    at_work, in_queue = place.deploy("endless"), place.deploy("endless")
    place.until_run_is("running", at_work)
    for run in (in_queue, at_work):
        place.done("run", "cancel", run)
        (line,) = told_of(place, run)
        assert line.startswith(f"endless cancelled {run} by cut-short: ")


def test_a_chain_that_points_at_itself_ends_and_says_so(place: Place, server: Server) -> None:
    place.deploy("turning")
    (line,) = server.until_said("HopLimitReached")
    runs = place.runs_of("turning")
    assert (line["trigger"], line["run"], line["hops"]) == ("carousel", runs[0].id, 5)
    assert [run.state for run in runs] == ["succeeded"] * 6
    assert [event.facts["hops"] for event in place.events_of("carousel")] == [5, 4, 3, 2, 1]
    assert server.metric("hop_limit_reached_total") == 1


def test_an_interrupted_run_is_told_once_however_often_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path, capsys)
    place.write(MANIFEST)
    with place.serving() as server:
        run = place.deploy("endless")
        place.until_run_is("running", run)
        server.served.kill()
    with place.serving() as server:
        (line,) = told_of(place, run)
        assert line.startswith(f"endless interrupted {run} by cut-short: ")
        server.served.kill()
    with place.serving():
        assert place.run(run).run.state == "interrupted"
        assert len(place.events_of("cut-short")) == 1
        assert len(place.runs_of("tell")) == 1
