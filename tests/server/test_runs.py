"""One run's life as its user sees it: retried, timed out, cancelled, queued, and its log."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.server.place import Place, Server
from tests.torture.served import environment

pytestmark = pytest.mark.slow

MANIFEST = """\
workloads:
  third-time:
    kind: command
    command: [sh, -c, 'echo "try $TINYFORGE_ATTEMPT"; test "$TINYFORGE_ATTEMPT" = 3']
    retry: {attempts: 3, backoff: 1s}
  endless-tries: {kind: command, command: ["false"], retry: {attempts: 20, backoff: 1d}}
  too-long: {kind: command, command: [sh, -c, "echo begun; sleep 300"], timeout: 1s}
  polite:
    kind: command
    command: [sh, -c, 'trap "echo told to end; exit 1" TERM; echo at work; sleep 300 & wait']
  newest: {kind: command, command: [sleep, "300"], queue: latest}
  all: {kind: command, command: [sleep, "300"], queue: every}
  once: {kind: command, command: [sleep, "300"], queue: skip}
  blocker: {kind: command, command: [sleep, "300"]}
  long: {kind: command, command: [seq, --format, "%06.0f PADDING", "120000"]}
  waits:
    kind: command
    command: [sh, -c, 'echo one; until test -e FOLDER/go; do sleep 0.05; done; echo two']
"""
PADDING = "=" * 100
ALL_OF_LONG = [f"{number:06} {PADDING}" for number in range(1, 120_001)]
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def place(folder: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(folder, capsys)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    place = Place(folder)
    place.write(MANIFEST.replace("FOLDER", str(folder)).replace("PADDING", PADDING))
    with place.serving() as server:
        yield server


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_it_is_tried_again_after_waits_that_double(place: Place, server: Server) -> None:
    said = place.call("deploy", "third-time", "--wait")
    assert said.code == 0
    assert [line for line in said.lines if line.startswith("try")] == ["try 1", "try 2", "try 3"]
    first, second, third = place.run(place.runs_of("third-time")[0].id).attempts
    assert [one.outcome for one in (first, second, third)] == ["failed", "failed", "succeeded"]
    assert seconds_between(first.ended_at, second.started_at) >= 1
    assert seconds_between(second.ended_at, third.started_at) >= 2


def test_one_that_waits_for_its_next_try_can_be_cancelled(place: Place, server: Server) -> None:
    run = place.deploy("endless-tries")
    place.until(lambda: bool(place.run(run).attempts), "it was tried")
    waiting = place.until_run_is("queued", run).run
    assert seconds_between(waiting.queued_at, waiting.ready_at) > 86_000
    place.done("run", "cancel", run)
    assert place.run(run).run.state == "cancelled"


def test_a_timeout_ends_it_and_says_so(place: Place, server: Server) -> None:
    said = place.call("deploy", "too-long", "--wait")
    assert said.code == 1
    assert "begun" in said.lines
    assert said.lines[-1].endswith("failed: timed out after 1 s")
    (attempt,) = place.run(place.runs_of("too-long")[0].id).attempts
    assert attempt.outcome == "timed_out"


def test_cancelled_at_work_the_program_is_told_to_end(place: Place, server: Server) -> None:
    run = place.deploy("polite")
    place.until(lambda: "at work" in place.lines(run), "it is at work")
    place.done("run", "cancel", run)
    assert place.until_run_is("cancelled", run).attempts[0].outcome == "cancelled"
    assert place.lines(run) == ["at work", "told to end"]
    again = place.call("run", "cancel", run)
    assert again.code == 1
    assert f"{run} has ended: cancelled" in again.err


def test_of_those_that_wait_only_the_newest_stays(place: Place, server: Server) -> None:
    runs = [place.deploy("newest") for _ in range(4)]
    states = {run.id: (run.state, run.superseded_by) for run in place.runs_of("newest")}
    assert [states[run] for run in runs[1:]] == [
        ("superseded", runs[2]),
        ("superseded", runs[3]),
        ("queued", None),
    ]
    place.done("run", "cancel", runs[0])
    place.until_run_is("running", runs[3])
    place.done("run", "cancel", runs[3])


def test_where_every_run_counts_they_come_one_after_the_other(place: Place, server: Server) -> None:
    runs = [place.deploy("all") for _ in range(4)]
    place.done("run", "cancel", runs[2])
    for run in (runs[0], runs[1], runs[3]):
        place.until_run_is("running", run)
        assert [one.id for one in place.runs_of("all") if one.state == "running"] == [run]
        place.done("run", "cancel", run)
        place.until_run_is("cancelled", run)
    cancelled = place.run(runs[2])
    assert (cancelled.run.state, cancelled.attempts) == ("cancelled", [])


def test_where_busy_means_no_a_second_deploy_is_skipped(place: Place, server: Server) -> None:
    run = place.deploy("once")
    (result,) = place.fire("deploy", "once").results
    assert (result.outcome, result.run) == ("skipped_busy", None)
    said = place.call("deploy", "once", "--wait")
    assert said.code == 1
    assert "skipped_busy" in said.out
    place.done("run", "cancel", run)
    place.until_run_is("cancelled", run)
    place.done("run", "cancel", place.deploy("once"))


def test_leased_and_not_begun_it_can_be_cancelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path, capsys)
    place.write("""\
workloads:
  first: {kind: command, command: [sleep, "300"], idempotent: true}
  second: {kind: command, command: [sleep, "300"], idempotent: true}
""")
    with place.serving("--concurrency", "1"):
        first = place.deploy("first")
        place.until_run_is("running", first)
        second = place.deploy("second")
        place.until_run_is("running", second)
        place.done("run", "cancel", second)
        ended = place.until_run_is("cancelled", second)
        assert ended.run.error == "cancelled before it began"
        assert place.run(first).run.state == "running"


def test_a_log_of_more_than_11_mib_keeps_its_head_and_its_tail(
    place: Place, server: Server
) -> None:
    assert size(ALL_OF_LONG) > 11 * MIB
    run = place.deploy("long")
    place.until_run_is("succeeded", run)
    lines = place.lines(run)
    (cut,) = [at for at, line in enumerate(lines) if line.startswith("…")]
    head, tail = lines[:cut], lines[cut + 1 :]
    missing = len(ALL_OF_LONG) - len(head) - len(tail)
    assert lines[cut] == (
        f"… {missing} lines were cut here: a log keeps 256 KiB and its last 10 MiB"
    )
    assert head == ALL_OF_LONG[: len(head)]
    assert tail == ALL_OF_LONG[-len(tail) :]
    assert 0.25 * MIB <= size(head) <= 0.3 * MIB
    assert 9.9 * MIB <= size(tail) <= 10 * MIB


def size(lines: list[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def test_a_log_is_followed_by_another_process_while_it_grows(place: Place, server: Server) -> None:
    run = place.deploy("waits")
    command = [sys.executable, "-m", "tinyforge", "run", "logs", "-f", run]
    with subprocess.Popen(
        [*command, "--data", str(place.data)],
        env=environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "one\n"
        assert place.run(run).run.state == "running"
        (place.folder / "go").touch()
        assert following.stdout.read() == "two\n"
        assert following.wait(30) == 0
