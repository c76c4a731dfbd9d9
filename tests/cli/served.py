"""A real server in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tinyforge

SOURCE = Path(tinyforge.__file__).parent.parent
PATIENCE = 30  # seconds


@dataclass
class Served:
    data: Path
    process: subprocess.Popen[str]

    def stop(self) -> None:
        """End it as a supervisor would, and wait."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0


def start(data: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tinyforge", *words, "--data", str(data)],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(
    data: Path, *words: str, listen: str = "127.0.0.1:0", **environment: str
) -> Iterator[Served]:
    """Start `tinyforge serve …`, wait until it says that it is ready, and end it afterwards."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(address := data.with_suffix(".told")))
        told.settimeout(PATIENCE)
        process = start(
            data, "serve", "--listen", listen, *words, NOTIFY_SOCKET=str(address), **environment
        )
        with process:
            try:
                assert told.recv(100) == b"READY=1"
                yield Served(data, process)
            finally:
                process.kill()
                process.communicate()
