"""The way in over the socket: what is asked, what is answered, and what may be in the way."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cli import views
from tests.cli.calls import Calls
from tests.cli.desk import Desk
from tinyforge.cli.client import SocketDoor
from tinyforge.cli.failure import CommandFailed, ServerDown
from tinyforge.operations.views import Problem


def test_what_is_asked_reaches_the_server_with_its_query(desk: Desk, call: Calls) -> None:
    desk.say("GET /runs", views.page())
    call("run", "list", "--workload", "a b&c", "--state", "failed")
    (asked,) = desk.asked
    assert asked.query == "workload=a+b%26c&state=failed&limit=50"


def test_a_name_stays_one_part_of_the_path(desk: Desk, call: Calls) -> None:
    desk.say("GET /triggers/..%2Fhealth%3Fx", views.trigger_detail())
    assert call("trigger", "show", "../health?x").code == 0


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_can_be_no_name_asks_nothing(name: str, desk: Desk, call: Calls) -> None:
    assert call("trigger", "show", name).code == 2
    assert desk.asked == []


def test_a_long_list_is_asked_for_page_by_page(desk: Desk, call: Calls) -> None:
    first = [views.run(number) for number in range(1000, 500, -1)]
    rest = [views.run(number) for number in range(500, 0, -1)]
    desk.say("GET /runs", views.page(*first, next=first[-1].id), views.page(*rest))
    said = call("run", "list", "--limit", "700")
    assert len(said.lines) == 701
    assert [asked.query for asked in desk.asked] == [
        "limit=500",
        f"before={first[-1].id}&limit=200",
    ]


def test_ten_thousand_runs_are_listed(desk: Desk, call: Calls) -> None:
    pages = [
        views.page(*(views.run(500 * number + place) for place in range(500)), next=views.RUN)
        for number in range(20)
    ]
    desk.say("GET /runs", *pages)
    assert len(call("run", "list", "--limit", "10000").lines) == 10_001


def test_a_problem_is_said_with_its_fix(desk: Desk, call: Calls) -> None:
    problem = Problem(
        title="Not found",
        status=404,
        detail="no run named 'run_x'",
        fix="tinyforge run list",
    )
    desk.say("GET /runs/run_x", (404, problem))
    said = call("run", "show", "run_x")
    assert (said.code, said.out) == (1, "")
    assert said.err == "error: no run named 'run_x'\nfix: tinyforge run list\n"


def test_a_problem_lists_all_its_mistakes(desk: Desk, call: Calls, tmp_path: Path) -> None:
    mistakes = ("a.yaml:3: triggers.x.cron: …; fix it", "a.yaml:9: …")
    problem = Problem(title="Mistakes", status=422, detail="2 mistakes", mistakes=mistakes)
    desk.say("POST /manifest/plan", (422, problem))
    (tmp_path / "a.yaml").write_text("version: 1\n")
    said = call("plan", str(tmp_path / "a.yaml"))
    assert said.code == 2
    assert all(mistake in said.err.splitlines() for mistake in mistakes)


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", b"[]"])
def test_an_error_that_is_no_problem_document_is_said_so(
    body: bytes, desk: Desk, call: Calls
) -> None:
    desk.say("GET /runs/run_x", (502, body))
    said = call("run", "show", "run_x")
    assert said.code == 1
    assert "answered 502" in said.err


@pytest.mark.parametrize("body", [b"<html>", b"", b"{}", b'{"run": 1}'])
def test_an_answer_of_another_shape_is_said_so(body: bytes, desk: Desk, call: Calls) -> None:
    desk.say("GET /runs/run_x", (200, body))
    said = call("run", "show", "run_x")
    assert said.code == 1
    assert "not one that this program knows" in said.err


def test_a_newer_server_may_say_more_than_is_known_here(desk: Desk, call: Calls) -> None:
    desk.say("GET /runs", (200, b'{"items": [], "next": null, "new": 1}'))
    assert call("run", "list").code == 0


def test_a_server_that_goes_away_in_mid_answer_is_no_traceback(tmp_path: Path, call: Calls) -> None:
    with listening(tmp_path) as listener, ThreadPoolExecutor(1) as other_side:
        gone = other_side.submit(take_one_and_go, listener)
        said = call("run", "list")
        gone.result()
    assert said.code == 1
    assert "went away while it answered" in said.err


def take_one_and_go(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1)


@contextmanager
def listening(data: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(data / "tinyforge.sock"))
        listener.listen()
        yield listener


# --- where no server answers


def test_a_missing_folder_is_said_with_both_ways_out(tmp_path: Path, call: Calls) -> None:
    said = call.bare("trigger", "list", "--data", str(tmp_path / "none"))
    assert said.code == 1
    assert f"there is no data folder {tmp_path / 'none'}" in said.err
    assert f"tinyforge serve --data {tmp_path / 'none'}" in said.last
    assert "--data" in said.last


def test_a_file_is_no_folder(tmp_path: Path, call: Calls) -> None:
    (tmp_path / "file").write_text("")
    said = call.bare("trigger", "list", "--data", str(tmp_path / "file"))
    assert (said.code, "is no folder" in said.err) == (1, True)


@pytest.mark.parametrize("left", [False, True])
def test_a_folder_that_no_server_kept_is_said_so(left: bool, tmp_path: Path, call: Calls) -> None:
    if left:
        (tmp_path / "tinyforge.db").touch()  # by a server that ended before it had begun
    said = call("trigger", "list")
    assert said.code == 1
    assert "holds no tinyforge.db" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ("trigger", "fire", "nightly"),
        ("deploy", "site"),
        ("run", "cancel", views.RUN),
        ("run", "retry", views.RUN),
    ],
)
def test_what_needs_a_server_says_how_to_start_it(
    words: tuple[str, ...], tmp_path: Path, call: Calls
) -> None:
    (tmp_path / "tinyforge.db").write_bytes(b"not empty")
    said = call(*words)
    assert said.code == 1
    assert "no server answers at" in said.err
    assert said.last == f"fix: tinyforge serve --data {tmp_path}"


def test_a_socket_that_a_dead_server_left_counts_as_no_server(tmp_path: Path) -> None:
    with listening(tmp_path):
        pass
    with pytest.raises(ServerDown):
        SocketDoor(tmp_path).connect()


def test_a_path_too_long_for_a_socket_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="too long") as failed:
        SocketDoor(tmp_path / ("x" * 120)).connect()
    assert "shorter --data" in failed.value.fix


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_socket_of_somebody_else_names_its_owner(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRWXU)
    with listening(tmp_path):
        os.seteuid(65_534)
        try:
            with pytest.raises(CommandFailed, match="permission denied; it belongs to") as failed:
                SocketDoor(tmp_path).connect()
        finally:
            os.seteuid(0)
    assert failed.value.fix.startswith("sudo -u root tinyforge")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_of_somebody_else_names_its_owner(call: Calls) -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "tinyforge.db").write_bytes(b"not empty")
        os.seteuid(65_534)
        try:
            said = call.bare("run", "list", "--data", folder)
        finally:
            os.seteuid(0)
    assert said.code == 1
    assert f"{folder}: permission denied; it belongs to root and you are" in said.err


def test_the_folder_may_come_from_the_environment(
    desk: Desk, call: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYFORGE_DATA", str(desk.data))
    desk.say("GET /runs", views.page())
    assert call.bare("run", "list").code == 0
