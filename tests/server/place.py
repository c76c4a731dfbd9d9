"""A folder with a manifest and a data folder, the server over it, and what can be seen of both."""

from __future__ import annotations

import json
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError

import pytest
from msgspec import json as strict_json
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.calls import Calls, Said
from tests.ports import free_port
from tests.torture import served
from tests.torture.served import Served, wait_until
from tinyforge.cli.client import SocketDoor
from tinyforge.operations.views import EventDetail, EventView, FireView, Page, RunDetail, RunView

Line = Mapping[str, object]
T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    served: Served
    port: int

    def log(self) -> list[Line]:
        lines = (self.served.folder / served.SERVER_LOG).read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def said(self, happening: str, **fields: object) -> list[Line]:
        """Return the lines of the log about *happening* that hold these fields."""
        return [
            line
            for line in self.log()
            if line["happening"] == happening and fields.items() <= line.items()
        ]

    def until_said(self, happening: str, count: int = 1, **fields: object) -> list[Line]:
        what = f"{count} of {happening} {fields} in the log"
        self.until(lambda: len(self.said(happening, **fields)) >= count, what)
        return self.said(happening, **fields)

    def until(self, happened: Callable[[], bool], what: str) -> None:
        self.served.wait_until(happened, what)

    def read(self, path: str) -> tuple[int, str]:
        """Ask what everybody may ask; return status and text."""
        where = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(where, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as refused:
            with closing(refused):
                return refused.code, refused.read().decode()

    def metrics(self) -> str:
        """Read them over the socket, which needs no token."""
        door = SocketDoor(self.served.data)
        try:
            return door.ask("GET", "/metrics", None).body.decode()
        finally:
            door.close()

    def token(self, role: str) -> str:
        """Make a token over the socket."""
        door = SocketDoor(self.served.data)
        try:
            asked = json.dumps({"role": role}).encode()
            secret: str = json.loads(door.ask("POST", "/api/v1/tokens", asked).body)["secret"]
            return secret
        finally:
            door.close()

    def metric(self, name: str) -> float:
        """Return the sum of one metric's samples."""
        text = self.metrics()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"tinyforge_{name}"
        )

    def reload(self) -> None:
        self.served.tell(signal.SIGHUP)

    def stop(self) -> None:
        self.served.tell(signal.SIGTERM)
        assert self.served.ended() == 0, self.served.last_words()


@dataclass(frozen=True)
class Place:
    folder: Path
    capsys: pytest.CaptureFixture[str] | None = None  # what commands say is read from it

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def manifest(self) -> Path:
        return self.folder / "tinyforge.yaml"

    @cached_property
    def call(self) -> Calls:
        assert self.capsys is not None
        return Calls(self.capsys, self.data)

    def write(self, manifest: str) -> None:
        self.manifest.write_text(f"version: 1\n{manifest}")

    @contextmanager
    def serving(
        self,
        *words: str,
        python: str | Path = sys.executable,
        port: int | None = None,
        **variables: str,
    ) -> Iterator[Server]:
        """Serve with `--config`, from the moment that it answers."""
        config = ["--config", str(self.manifest)]
        port = port or free_port()
        with served.serving(
            self.folder,
            [*config, *words],
            variables,
            python=python,
            listen=f"127.0.0.1:{port}",
        ) as process:
            server = Server(process, port)
            assert process.until_ready(), process.last_words()
            yield server

    def refused(self, *words: str) -> str:
        """Serve where that must be refused with exit code 2; return what was said."""
        with served.serving(self.folder, ["--config", str(self.manifest), *words]) as process:
            assert process.ended() == 2, process.last_words()
            return process.last_words()

    # --- commands

    def done(self, *words: str) -> Said:
        """Call a command that must work."""
        said = self.call(*words)
        assert said.code == 0, said
        return said

    def asked(self, *words: str) -> str:
        return self.done(*words, "--json").out

    def fire(self, *words: str) -> FireView:
        """Fire a trigger, or `deploy` a workload, whatever comes of it."""
        return strict_json.decode(self.call(*words, "--json").out, type=FireView)

    def deploy(self, workload: str) -> str:
        """Queue a run, and return its id."""
        (result,) = self.fire("deploy", workload).results
        assert result.run is not None, result
        return result.run

    def run(self, run: str) -> RunDetail:
        return strict_json.decode(self.asked("run", "show", run), type=RunDetail)

    def runs_of(self, workload: str) -> list[RunView]:
        return self._items(Page[RunView], "run", "list", "--workload", workload)

    def events_of(self, trigger: str) -> list[EventView]:
        return self._items(Page[EventView], "event", "list", "--trigger", trigger)

    def event(self, event: str) -> EventDetail:
        return strict_json.decode(self.asked("event", "show", event), type=EventDetail)

    def lines(self, run: str) -> list[str]:
        """Return the log of a run that is over or at work."""
        return self.done("run", "logs", run).lines

    def until(self, happened: Callable[[], bool], what: str) -> None:
        wait_until(happened, what)

    def until_run_is(self, state: str, run: str) -> RunDetail:
        self.until(lambda: self.run(run).run.state == state, f"{run} is {state}")
        return self.run(run)

    def until_all_over(self, workload: str, count: int) -> list[RunView]:
        """Wait until *workload* has had that many runs and none is left to do."""

        def are_over() -> bool:
            runs = self.runs_of(workload)
            return len(runs) >= count and all(run.ended_at for run in runs)

        self.until(are_over, f"{count} runs of {workload} are over")
        return self.runs_of(workload)

    def _items(self, kind: type[Page[T]], *words: str) -> list[T]:
        return list(strict_json.decode(self.asked(*words), type=kind).items)
