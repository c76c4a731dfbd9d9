"""What a server that was killed left running."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.kinds.conftest import is_running
from tinyforge.workloads.command import Command

RUN = f"run_{os.getpid():013d}"

SERVER = """
import asyncio, os, sys
from tinyforge.testing.kinds import deploy_context
from tinyforge.workloads.command import Command

class Log:
    def write(self, line):
        print(line, flush=True)

script = sys.argv[2] + "(exec env -i sleep 600) & echo $!; echo $$; echo $TINYFORGE_EVENT_FILE; while :; do sleep 0.1; done"
asyncio.run(Command(command=("sh", "-c", script)).deploy(deploy_context(run=sys.argv[1], log=Log())))
"""


def killed_server(run: str, before: str) -> tuple[int, int, Path]:
    """Return the two processes and the event file that a killed server left behind."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, run, before], stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdout
        child, parent, file = (server.stdout.readline().strip() for _ in range(3))
        server.kill()
    return int(child), int(parent), Path(file)


@pytest.mark.parametrize(
    "before",
    ["", pytest.param("trap '' TERM; ", marks=pytest.mark.slow)],
    ids=["willing", "unwilling"],
)
def test_the_groups_of_the_runs_it_had_are_ended_and_their_files_removed(before: str) -> None:
    child, parent, file = killed_server(RUN, before)
    assert is_running(child)
    assert is_running(parent)
    assert file.exists()

    Command.reap(frozenset({RUN, "run_0000000000000"}))

    assert not is_running(child), "also a member that dropped its environment"
    assert not is_running(parent)
    assert not file.exists()


def test_other_runs_and_we_ourselves_are_left_alone() -> None:
    other = subprocess.Popen(
        ["sleep", "600"], env={"TINYFORGE_RUN_ID": f"{RUN}x"}, start_new_session=True
    )
    ours = subprocess.Popen(["sleep", "600"], env={"TINYFORGE_RUN_ID": RUN})
    with other, ours:
        Command.reap(frozenset({RUN}))
        alive = other.poll(), ours.poll()
        other.kill()
        ours.kill()

    assert alive == (None, None)


def test_nothing_to_reap_is_no_trouble() -> None:
    Command.reap(frozenset())
    Command.reap(frozenset({"run_0000000000000"}))

    assert not list(Path(tempfile.gettempdir()).glob("tinyforge-run_0000000000000-*"))
