"""Every command against a real server, and against the file that it leaves."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct, json

from tests.cli.calls import Calls
from tests.cli.served import Served, serving, start
from tinyforge.operations.answers import (
    DoctorView,
    ExplainView,
    ExportView,
    PreviewView,
    SimulateView,
    VerifyView,
)
from tinyforge.operations.views import (
    EventDetail,
    EventView,
    FireView,
    Page,
    RunDetail,
    RunView,
    TriggerDetail,
    TriggerView,
)

MANIFEST = """\
version: 1
workloads:
  good: {kind: command, command: [sh, -c, "echo one; echo two"]}
  bad:  {kind: command, command: [sh, -c, "echo trying; exit 3"]}
  slow: {kind: command, command: [sh, -c, "echo begun; exec sleep 300"]}
triggers:
  hourly: {kind: schedule, interval: 1h}
  push:   {kind: manual}
bindings:
  - {trigger: hourly, workload: good}
  - {trigger: push, workload: good, match: {branch: main}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "tinyforge.yaml").write_text(MANIFEST)
    with serving(folder / "data", "--config", str(folder / "tinyforge.yaml")) as server:
        yield server


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], served: Served) -> Calls:
    return Calls(capsys, served.data)


def newest_run(call: Calls) -> str:
    return json.decode(call("run", "list", "--limit", "1", "--json").out)["items"][0]["id"]


def test_a_deploy_that_is_waited_for_shows_its_log_and_exits_0(call: Calls) -> None:
    said = call("deploy", "good", "--wait")
    assert said.code == 0
    assert said.lines[-3:-1] == ["one", "two"]
    assert said.lines[-1].endswith(" succeeded")


def test_a_deploy_that_fails_exits_1_and_says_what_to_type(call: Calls) -> None:
    said = call("deploy", "bad", "--wait")
    assert said.code == 1
    assert "trying" in said.lines
    assert "exit" in said.lines[-1]
    assert said.last.startswith("next: tinyforge run ")


def test_facts_that_do_not_match_say_why_and_what_to_type(call: Calls) -> None:
    said = call("trigger", "fire", "push", "--fact", "branch=dev")
    assert said.code == 0
    assert "not_matched" in said.out
    assert "branch is 'dev', not 'main'" in said.out
    assert said.last.startswith("next: tinyforge ")


def test_facts_that_match_deploy(call: Calls) -> None:
    said = call("trigger", "fire", "push", "--fact", "branch=main", "--wait")
    assert (said.code, "two" in said.lines) == (0, True)


def test_without_facts_rules_are_not_applied(call: Calls) -> None:
    said = call("trigger", "fire", "push", "--wait")
    assert said.code == 0
    assert "without facts, no binding's rule is applied" in said.lines


def test_a_dry_run_stores_nothing(call: Calls) -> None:
    before = call("event", "list", "--json").out
    assert call("trigger", "fire", "push", "--dry-run").code == 0
    assert call("deploy", "slow", "--dry-run").code == 0
    assert call("event", "list", "--json").out == before


def test_a_run_can_be_cancelled_and_done_again(call: Calls) -> None:
    call("deploy", "slow")
    run = newest_run(call)
    assert call("run", "cancel", run).code == 0
    ended = call("run", "logs", "-f", run)
    assert f"{run} is cancelled" in ended.err
    assert call("run", "cancel", run).code == 1
    assert call("run", "retry", run).code == 0
    assert call("run", "cancel", run).code == 0


def test_ctrl_c_while_waiting_leaves_the_run_alone(call: Calls, served: Served) -> None:
    with start(served.data, "deploy", "slow", "--wait", PYTHONUNBUFFERED="1") as process:
        assert process.stdout is not None
        assert any(line == "begun\n" for line in process.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert "goes on" in process.stderr.read()
    run = newest_run(call)
    assert json.decode(call("run", "show", run, "--json").out)["run"]["state"] == "running"
    assert call("run", "cancel", run).code == 0


def test_a_pause_is_explained_and_a_resume_ends_it(call: Calls) -> None:
    assert call("trigger", "pause", "hourly").lines == ["hourly is paused"]
    assert "paused" in call("explain", "hourly").lines[0]
    assert call("trigger", "resume", "hourly").lines[0] == "hourly is active"


def test_the_manifest_that_was_applied_changes_nothing(call: Calls, served: Served) -> None:
    manifest = str(served.data.parent / "tinyforge.yaml")
    assert call("plan", manifest, "--check").code == 0
    assert call("apply", manifest).code == 0


def test_all_mistakes_of_a_manifest_are_said_with_their_lines(call: Calls, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\ntriggers:\n  x: {kind: schedul}\n  Y: {}\n")
    said = call("apply", str(tmp_path / "bad.yaml"))
    assert said.code == 2
    assert "did you mean 'schedule'" in said.err
    assert all(f"bad.yaml:{line}:" in said.err for line in (3, 4))


def test_the_history_is_right(call: Calls) -> None:
    said = call("verify")
    assert (said.code, said.lines[-1][:12]) == (0, "every window")


def test_a_query_that_cannot_be_meant_is_exit_2(call: Calls) -> None:
    assert call("simulate", "--from", "2026-01-05", "--to", "4000-01-01").code == 2


@pytest.mark.parametrize(
    ("words", "view"),
    [
        (("trigger", "list"), Page[TriggerView]),
        (("trigger", "show", "push"), TriggerDetail),
        (("event", "list"), Page[EventView]),
        (("run", "list"), Page[RunView]),
        (("preview",), PreviewView),
        (("preview", "hourly", "--count", "3", "--after", "+1d"), PreviewView),
        (("simulate", "--to", "+2h"), SimulateView),
        (("explain", "hourly"), ExplainView),
        (("explain", "hourly", "-1m"), ExplainView),
        (("verify", "hourly"), VerifyView),
        (("doctor",), DoctorView),
        (("export",), ExportView),
        (("deploy", "good"), FireView),
        (("trigger", "fire", "push", "--dry-run"), FireView),
    ],
)
def test_people_and_programs_get_the_same_from_every_command(
    words: tuple[str, ...], view: type[Struct], call: Calls
) -> None:
    for_programs = call(*words, "--json")
    assert isinstance(json.decode(for_programs.out, type=view), Struct)
    for_people = call(*words)
    assert (for_people.code, for_people.out != "") == (for_programs.code, True)


def test_one_event_and_one_run_are_shown(call: Calls) -> None:
    call("deploy", "good", "--wait")
    run = newest_run(call)
    shown = json.decode(call("run", "show", run, "--json").out, type=RunDetail)
    assert shown.run.state == "succeeded"
    event = call("event", "show", shown.run.event, "--json")
    assert json.decode(event.out, type=EventDetail).results[0].run == run
    assert run in call("event", "show", shown.run.event).out
    assert shown.run.event in call("run", "show", run).out


def test_a_second_server_for_the_same_folder_is_refused(served: Served) -> None:
    with start(served.data, "serve", "--listen", "127.0.0.1:0") as second:
        _, said = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"another process serves {served.data}" in said


# --- the file that a server leaves


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data of a server that deployed something and has ended."""
    folder = tmp_path_factory.mktemp("left")
    (folder / "tinyforge.yaml").write_text(MANIFEST)
    with serving(folder / "data", "--config", str(folder / "tinyforge.yaml")) as server:
        with start(server.data, "deploy", "good", "--wait") as deploy:
            deploy.communicate(timeout=30)
            assert deploy.returncode == 0
        server.stop()
    return folder / "data"


@pytest.fixture
def call_left(capsys: pytest.CaptureFixture[str], left: Path) -> Calls:
    return Calls(capsys, left)


@pytest.mark.parametrize(
    "words",
    [
        ("trigger", "list"),
        ("trigger", "show", "hourly"),
        ("event", "list"),
        ("run", "list"),
        ("preview",),
        ("simulate",),
        ("explain", "hourly"),
        ("verify",),
        ("doctor",),
        ("export",),
    ],
)
def test_what_only_reads_reads_the_file(words: tuple[str, ...], call_left: Calls) -> None:
    said = call_left(*words)
    assert (said.code, said.out != "") == (0, True)
    assert said.err.startswith("no server is running; this is what the file says\n")


def test_the_log_of_a_run_is_in_the_file(call_left: Calls) -> None:
    said = call_left("run", "logs", "--follow", newest_run(call_left))
    assert said.lines == ["one", "two"]


def test_reading_the_file_changes_nothing_in_it(call_left: Calls, left: Path) -> None:
    def content() -> list[str]:
        database = sqlite3.connect(f"file:{left / 'tinyforge.db'}?mode=ro", uri=True)
        try:
            return list(database.iterdump())
        finally:
            database.close()

    before = content()
    call_left("verify")
    call_left("plan", str(left.parent / "tinyforge.yaml"))
    assert content() == before


def test_what_changes_config_writes_the_file(call_left: Calls, left: Path) -> None:
    (left.parent / "other.yaml").write_text(
        "version: 1\nname: other\ntriggers:\n  added: {kind: manual}\n"
    )
    said = call_left("apply", str(left.parent / "other.yaml"))
    assert said.code == 0
    assert said.err.startswith("no server is running; this is written to the file")
    assert call_left("trigger", "show", "added").code == 0
    assert call_left("trigger", "pause", "hourly").lines == ["hourly is paused"]
    assert call_left("trigger", "resume", "hourly").lines[0] == "hourly is active"


def test_what_needs_a_server_says_how_to_start_it(call_left: Calls, left: Path) -> None:
    said = call_left("deploy", "good")
    assert said.code == 1
    assert said.last == f"fix: tinyforge serve --data {left}"


# --- starting


def test_a_manifest_with_mistakes_and_nothing_before_it_is_exit_2(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\ntriggers:\n  x: {kind: schedul}\n")
    words = ("serve", "--listen", "127.0.0.1:0", "--config", str(tmp_path / "bad.yaml"))
    with start(tmp_path / "data", *words) as server:
        _, said = server.communicate(timeout=30)
    assert server.returncode == 2
    assert "bad.yaml:3" in said
    assert "Traceback" not in said


def test_a_mistake_in_a_setting_starts_nothing(tmp_path: Path) -> None:
    with start(tmp_path / "data", "serve", "--grace", "soon") as server:
        _, said = server.communicate(timeout=30)
    assert server.returncode == 2
    assert "--grace: 'soon' is not a duration" in said
    assert not (tmp_path / "data").exists()
