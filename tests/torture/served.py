"""A real `tinyforge serve` in a process of its own, and what can be done to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from msgspec import json

from tinyforge.cli.client import SocketDoor
from tinyforge.cli.failure import CommandFailed, ServerDown
from tinyforge.operations.answers import VerifyView

ROOT = Path(__file__).parents[2]
SERVER_LOG = "server.log"
PATIENCE = 60.0  # seconds that anything here may take
SERVE = ("tinyforge", "serve")
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
GLANCE = 0.01  # seconds between two looks


class TooSlow(AssertionError):
    """What was waited for did not happen."""


def wait_until(happened: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    until = time.monotonic() + patience
    while not happened():
        if time.monotonic() > until:
            raise TooSlow(f"{what}: not within {patience:.0f} s")
        time.sleep(GLANCE)


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TINYFORGE_")}
    return {**kept, "PYTHONPATH": str(ROOT / "src")}


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    folder: Path
    began: float

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def until_ready(self, patience: float = PATIENCE) -> bool:
        """Wait until it answers; False where it ended before that."""
        wait_until(lambda: self.is_over or self._answers(), self._silence(), patience)
        return not self.is_over

    def wait_until(
        self, happened: Callable[[], bool], what: str, patience: float = PATIENCE
    ) -> None:
        """Wait while it serves; an end of its own is a fault."""
        wait_until(lambda: self.is_over or happened(), what, patience)
        assert not self.is_over, self.last_words()

    def kill(self) -> int:
        """End it as the machine would that runs out of memory."""
        self.process.kill()
        return self.process.wait(PATIENCE)

    def tell(self, what: signal.Signals) -> None:
        self.process.send_signal(what)

    def ended(self, patience: float = PATIENCE) -> int:
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise TooSlow(
                f"the server did not end within {patience} s\n{self.last_words()}"
            ) from None

    def last_words(self) -> str:
        return (self.folder / SERVER_LOG).read_text(errors="replace")[-4_000:]

    def _answers(self) -> bool:
        door = SocketDoor(self.data)
        try:
            return door.ask("GET", "/api/v1/health", None).status > 0
        except (CommandFailed, ServerDown):
            return False
        finally:
            door.close()

    def _silence(self) -> str:
        return f"the server answers ({self.folder / SERVER_LOG} says why not)"


@contextmanager
def serving(  # noqa: PLR0913 - what may differ from a usual start
    folder: Path,
    words: Sequence[str] = (),
    variables: Mapping[str, str] = NO_VARIABLES,
    *,
    python: str | Path = sys.executable,
    program: Sequence[str] = SERVE,
    listen: str = "127.0.0.1:0",
) -> Iterator[Served]:
    """Run a server over `folder/data`; whatever happens, it does not outlive the block."""
    command = [python, "-m", *program, "--data", str(folder / "data")]
    command += ["--listen", listen, "--log-format", "json", *words]
    with (folder / SERVER_LOG).open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**environment(), **variables},
        )
    try:
        yield Served(process, folder, time.monotonic())
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def tinyforge(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call the command over `folder/data` as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "tinyforge", *words, "--data", str(folder / "data")],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE,
        check=False,
    )


def verify(folder: Path) -> VerifyView:
    """Ask `tinyforge verify --json`, whose exit code must agree with what it says."""
    said = tinyforge(folder, "verify", "--json")
    assert said.stdout, said.stderr
    view = json.decode(said.stdout, type=VerifyView)
    assert said.returncode == (0 if view.ok else 1), said
    return view
