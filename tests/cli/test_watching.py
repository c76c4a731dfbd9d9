"""`tinyforge watch`: what happens, as it happens, and on from there after a server went away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Struct, json

from tests.cli import views
from tests.cli.calls import Calls
from tests.cli.desk import Desk
from tinyforge.cli.messages import messages
from tinyforge.operations.views import ConfigMoved, Problem, ResetView, SwitchedView

SOURCE = Path(__file__).parents[2] / "src"


@contextmanager
def watching(desk: Desk, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tinyforge", "watch", "--utc", "--data", str(desk.data), *words],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def told(number: int, name: str, data: Struct) -> bytes:
    return f"id: s-{number}\nevent: {name}\ndata: ".encode() + json.encode(data) + b"\n\n"


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


@pytest.fixture
def busy(desk: Desk) -> Desk:
    """Let the server tell of everything there is, and go away; and then of one thing more."""
    desk.content_type = "text/event-stream"
    first = [
        told(0, "ready", ResetView(why="this is where it begins")),
        told(1, "event", views.event(1, trigger="nightly")),
        b": nothing yet\n\n",
        told(2, "run", views.run(1, workload="site", state="running", ended_at=None)),
        told(3, "run", views.run(1, workload="site", state="failed", error="exit status 3")),
        told(4, "trigger", SwitchedView(trigger="nightly", paused=True)),
        told(5, "config", ConfigMoved(what="workload", name="site")),
        told(6, "somethingnew", ResetView(why="")),
    ]
    second = told(7, "run", views.run(2, workload="docs", state="queued"))
    desk.say("GET /stream", (200, b"".join(first)), (200, second))
    return desk


def test_each_thing_is_a_line_and_a_lost_server_is_found_again(busy: Desk) -> None:
    with watching(busy) as process:
        event, running, failed, paused, config, later = lines(process, 6)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        said = process.stderr.read()
    assert "  event        nightly  " in event
    assert "  running      site  " in running
    assert failed.endswith("exit status 3")
    assert paused == "nightly was paused"
    assert config == "workload site has changed"
    assert "  queued       docs  " in later
    assert said.splitlines()[0] == "watching; Ctrl-C ends it"
    assert "the server ended it; trying again" in said
    assert busy.asked[1].headers["Last-Event-ID"] == "s-6"


def test_only_what_was_asked_for_is_told(busy: Desk) -> None:
    busy.say("GET /workloads/docs", ResetView(why="it is there"))
    with watching(busy, "--workload", "docs") as process:
        (only,) = lines(process, 1)
    assert "  queued       docs  " in only


@pytest.mark.parametrize("noun", ["trigger", "workload"])
def test_what_is_not_there_is_not_watched_in_silence(noun: str, busy: Desk, call: Calls) -> None:
    missing = Problem(title="Not Found", status=404, detail=f"no {noun} named 'nigthly'")
    busy.say(f"GET /{noun}s/nigthly", (404, missing))
    said = call("watch", f"--{noun}", "nigthly")
    assert (said.code, said.err) == (1, f"error: no {noun} named 'nigthly'\n")
    assert all(asked.path != "/api/v1/stream" for asked in busy.asked)


def test_for_programs_each_is_a_line_of_json(busy: Desk) -> None:
    with watching(busy, "--json") as process:
        found = [json.decode(line) for line in lines(process, 3)]
    assert [one["event"] for one in found] == ["ready", "event", "run"]
    assert found[1]["id"] == "s-1"
    assert found[1]["data"]["trigger"] == "nightly"


def test_a_server_that_never_told_anything_is_a_failure(desk: Desk, call: Calls) -> None:
    desk.say("GET /stream", (429, Problem(title="Too many", status=429, detail="too many watch")))
    said = call("watch")
    assert (said.code, said.err) == (1, "error: too many watch\n")


def test_without_a_server_it_says_how_to_start_one(call: Calls, tmp_path: Path) -> None:
    (tmp_path / "tinyforge.db").write_bytes(b"not empty")
    said = call("watch")
    assert (said.code, said.last) == (1, f"fix: tinyforge serve --data {tmp_path}")


def test_messages_are_read_as_they_are_specified() -> None:
    text = b"id:1\nevent: a\ndata:x\ndata: y\n\n: hello\n\nevent: none\n\ndata: z\nretry: 3\n\ndata: cut"
    found = [(one.id, one.name, one.data) for one in messages(text.splitlines(keepends=True))]
    assert found == [("1", "a", b"x\ny"), ("1", "message", b"z")]
