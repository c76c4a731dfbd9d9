"""A Docker Engine of the tests' own, in namespaces that take all of it with them when it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from tests.torture.served import wait_until

PATIENCE = 120.0  # seconds for one command; a build copies some ten thousand files
# `docker compose` may be a program of its own; the old one loses what a short command says, and
# does not know how to wait until all are healthy
SHIM = """#!/bin/sh
if [ "$1" = compose ] && ! {docker} compose version >/dev/null 2>&1; then
    shift
    if [ "$1 $2 $3" = "up --detach --wait" ]; then
        shift 3
        docker-compose up --detach "$@" || exit
        while docker-compose ps --quiet | xargs {docker} inspect --format '{{{{.State.Health.Status}}}}' |
            grep -qv '^healthy'; do sleep 1; done
        exit
    fi
    [ "$1" = exec ] || exec docker-compose "$@"
    shift
    [ "$1" = -T ] && shift
    container=$(docker-compose ps --quiet "$1" | head -n 1)
    shift
    set -- exec --interactive "$container" "$@"
fi
exec {docker} "$@"
"""


@dataclass(frozen=True)
class Engine:
    folder: Path
    number: int  # the process whose network its containers are reached through

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """What lets any shell find this engine."""
        docker = shutil.which("docker")
        shim = self.folder / "bin" / "docker"
        shim.parent.mkdir()
        shim.write_text(SHIM.format(docker=docker))
        shim.chmod(0o755)
        return {
            **{name: value for name, value in os.environ.items() if "DOCKER" not in name},
            "PATH": f"{shim.parent}:{os.environ['PATH']}",
            "DOCKER_HOST": f"unix://{self.folder}/engine.sock",
            "DOCKER_CONFIG": str(self.folder / "config"),
            "DOCKER_BUILDKIT": "0",
        }

    def docker(self, *words: str | Path) -> str:
        """Call `docker` and return what it said; it must work."""
        done = subprocess.run(
            ["docker", *words],
            env=dict(self.variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def works(self, *words: str) -> bool:
        done = subprocess.run(
            ["docker", *words], env=dict(self.variables), capture_output=True, check=False
        )
        return done.returncode == 0

    def wait_until_healthy(self, container: str) -> None:
        def is_healthy() -> bool:
            state = self.docker("inspect", "-f", "{{.State.Health.Status}}", container).strip()
            return state == "healthy"

        wait_until(is_healthy, f"{container} is healthy")

    def read(self, address: str, token: str = "") -> str:
        """Return what a port that a container publishes answers."""
        proof = ["--oauth2-bearer", token] if token else []
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self.number}/ns/net", "curl", "-sf", *proof, address],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{address}: {done.returncode}"
        return done.stdout


@contextmanager
def own_engine() -> Iterator[Engine]:
    """Start an engine that shares no network and no process with this machine's own."""
    for tool in (
        "dockerd",
        "docker",
        "docker-compose",
        "setpriv",
        "unshare",
        "nsenter",
        "ip",
        "curl",
    ):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    if os.geteuid() != 0:
        pytest.skip("needs root, to start a Docker Engine")
    folder = Path(tempfile.mkdtemp(prefix="tinyforge-engine-"))
    with (folder / "engine.log").open("wb") as log:
        outer = subprocess.Popen(_command(folder), stdout=log, stderr=log)
    try:
        wait_until(lambda: (folder / "engine.sock").exists() or outer.poll() is not None, "dockerd")
        assert outer.poll() is None, (folder / "engine.log").read_text()[-4_000:]
        engine = Engine(folder, _child(outer.pid))
        wait_until(lambda: engine.works("info"), "dockerd answers")
        yield engine
    finally:
        _end(outer)
        shutil.rmtree(folder, ignore_errors=True)


def _command(folder: Path) -> list[str]:
    with_us = ["setpriv", "--pdeathsig", "KILL"]  # not even where nobody is left to end it
    apart = [
        *with_us,
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    places = {
        "--host": f"unix://{folder}/engine.sock",
        "--data-root": f"{folder}/data",
        "--exec-root": f"{folder}/exec",
        "--pidfile": f"{folder}/pid",
    }
    engine = ["dockerd", *(f"{flag}={place}" for flag, place in places.items())]
    # what is built here is thrown away: no disk need have it
    prepare = f"ip link set lo up && mkdir {folder}/data && mount -t tmpfs tmpfs {folder}/data"
    return [*apart, "sh", "-c", f"{prepare} && exec {' '.join(engine)}"]


def _child(number: int) -> int:
    return int(Path(f"/proc/{number}/task/{number}/children").read_text().split()[0])


def _end(outer: subprocess.Popen[bytes]) -> None:
    """End softly, so that control groups are removed; the rest goes with its namespace."""
    if outer.poll() is None:
        os.kill(_child(outer.pid), signal.SIGTERM)
        try:
            outer.wait(30)
        except subprocess.TimeoutExpired:
            outer.kill()
    outer.wait()
