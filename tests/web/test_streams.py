"""What is told as it happens, over plain sockets on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from tests.web.server import Running, running_server

PATIENCE = 20  # seconds
MOST_STREAMS = 100
SITE = """
version: 1
name: of-streams
workloads:
  told: {kind: command, command: ["sh", "-c", "echo one; echo two"]}
  long: {kind: command, command: ["sh", "-c", "echo begun; exec sleep 60"]}
triggers:
  told: {kind: manual}
  long: {kind: manual}
  untold: {kind: manual}
  paused: {kind: schedule, interval: 1h, first: wait}
bindings:
  - {trigger: told, workload: told}
  - {trigger: long, workload: long}
"""


class Message(NamedTuple):
    number: str
    name: str
    data: dict[str, object]


@dataclass
class Stream:
    """Reads messages off a connection, as any client of server-sent events would."""

    response: HTTPResponse
    read: list[Message] = field(default_factory=list)

    def next(self) -> Message | None:
        """Return the next message; None: the server ended the stream."""
        lines: dict[str, str] = {}
        while line := self.response.readline():
            if line != b"\n":
                name, _, value = line.decode().rstrip("\n").partition(": ")
                lines[name] = value
            elif "event" in lines:
                said = Message(lines.get("id", ""), lines["event"], json.loads(lines["data"]))
                self.read.append(said)
                return said
        return None

    def until(self, name: str, /, **of: object) -> Message:
        """Return the first message of this name with these values."""
        while (said := self.next()) is not None:
            if said.name == name and all(said.data.get(key) == of[key] for key in of):
                return said
        raise AssertionError(f"the stream ended without {name} {of}: {self.read}")

    @property
    def names(self) -> list[str]:
        return [said.name for said in self.read]


@contextmanager
def stream(
    running: Running, path: str, last: str | None = None, role: str = "viewer"
) -> Iterator[Stream]:
    connection = HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {running.tokens[role]}"}
    headers |= {} if last is None else {"Last-Event-ID": last}
    try:
        connection.request("GET", f"/api/v1{path}", headers=headers)
        response = connection.getresponse()
        assert (response.status, response.getheader("content-type")) == (
            200,
            "text/event-stream; charset=utf-8",
        )
        yield Stream(response)
    finally:
        connection.close()


def act(running: Running, path: str, role: str = "admin", body: object = None) -> dict[str, object]:
    answer = running.ask("POST", f"/api/v1{path}", role, body or {})
    assert answer.status == 200, answer.body
    shown: dict[str, object] = json.loads(answer.body)
    return shown


def run_of(fired: dict[str, object]) -> str:
    results = fired["results"]
    assert isinstance(results, list)
    return str(results[0]["run"])


@pytest.fixture(scope="module", autouse=True)
def _site(running: Running) -> None:
    act(running, "/manifest/apply", body={"source": "f.yaml", "text": SITE})


def test_a_fire_is_told_with_its_run_to_the_end(running: Running) -> None:
    with stream(running, "/stream") as told:
        assert told.until("ready")
        fired = act(running, "/triggers/told/fire")
        event = told.until("event", trigger="told")
        assert (event.data["id"], event.data["facts"]) == (fired["event"], {})
        told.until("run", id=run_of(fired), state="succeeded")


def test_pauses_and_changed_rows_are_told(running: Running) -> None:
    with stream(running, "/stream") as told:
        told.until("ready")
        act(running, "/triggers/paused/pause")
        told.until("trigger", trigger="paused", paused=True)
        act(running, "/triggers/paused/resume")
        told.until("trigger", trigger="paused", paused=False)
        running.ask("PUT", "/api/v1/triggers/told-of", "admin", {"kind": "manual"})
        told.until("config", what="trigger", name="told-of")


def test_who_comes_back_hears_what_was_missed(running: Running) -> None:
    with stream(running, "/stream") as told:
        ready = told.until("ready")
    fired = act(running, "/triggers/untold/fire")
    with stream(running, "/stream", last=ready.number) as told:
        event = told.until("event", trigger="untold")
        assert event.data["id"] == fired["event"]
        assert "reset" not in told.names


@pytest.mark.parametrize("last", ["nonsense", "srv_0000000000000-7", "-", "9" * 200])
def test_an_id_that_is_not_known_gets_one_reset(running: Running, last: str) -> None:
    with stream(running, "/stream", last=last) as told:
        told.next()
        assert told.names == ["reset"]
        act(running, "/triggers/untold/fire")
        told.until("event", trigger="untold")
        assert told.names.count("reset") == 1


def test_a_log_is_told_while_it_grows_and_can_be_read_on(running: Running) -> None:
    run = run_of(act(running, "/triggers/told/fire?wait=30s"))
    with stream(running, f"/runs/{run}/log/stream") as told:
        chunk = told.until("chunk")
        told.until("end", state="succeeded")
        assert told.next() is None
    assert chunk.data["lines"] == ["one", "two"]
    for last, names in ((chunk.number, ["end"]), ("77", ["reset", "chunk", "end"])):
        with stream(running, f"/runs/{run}/log/stream", last=last) as told:
            told.until("end")
            assert told.names == names


def test_a_log_that_is_followed_ends_when_its_run_is_cancelled(running: Running) -> None:
    run = run_of(act(running, "/triggers/long/fire"))
    with stream(running, f"/runs/{run}/log/stream") as told:
        assert told.until("chunk").data["lines"] == ["begun"]
        act(running, f"/runs/{run}/cancel")
        told.until("end", state="cancelled")


def test_a_log_that_is_not_there_is_not_streamed(running: Running) -> None:
    path = "/api/v1/runs/run_0000000000001/log/stream"
    assert running.ask("GET", path, "viewer").status == 404
    assert running.ask("GET", path, "viewer", Last_Event_ID="x").status == 400


def test_a_narrowed_token_hears_of_its_own_alone(running: Running) -> None:
    body = {"role": "viewer", "name": "narrow", "triggers": ["told"]}
    made = running.ask("POST", "/api/v1/tokens", "admin", body)
    running.tokens["narrow"] = str(json.loads(made.body)["secret"])
    with stream(running, "/stream", role="narrow") as told:
        told.until("ready")
        act(running, "/triggers/untold/fire")
        act(running, "/triggers/told/fire")
        told.until("event", trigger="told")
        assert all(said.data.get("trigger") != "untold" for said in told.read)


def test_streams_end_cleanly_when_the_server_stops() -> None:
    with TemporaryDirectory(prefix="tf") as folder, running_server(Path(folder)) as running:
        with stream(running, "/stream") as told:
            told.until("ready")
            running.served.process.terminate()
            assert told.next() is None
        assert running.served.ended() == 0
        log = running.served.last_words()
    assert "Traceback" not in log


def test_more_streams_than_there_may_be_are_refused(running: Running) -> None:
    with ExitStack() as opened:
        for _ in range(MOST_STREAMS):
            opened.enter_context(stream(running, "/stream")).until("ready")
        answer = running.ask("GET", "/api/v1/stream", "viewer")
        assert (answer.status, b"streams are open" in answer.body) == (429, True)
    with stream(running, "/stream") as told:
        told.until("ready")
