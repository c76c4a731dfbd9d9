"""`tinyforge completion`: what shells really offer, and what a server adds to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.cli import views
from tests.cli.calls import Calls, Said
from tests.cli.desk import Desk
from tinyforge.cli.commands import COMMANDS, GROUPS
from tinyforge.operations.views import WorkloadView

SOURCE = Path(__file__).parents[2] / "src"
ASKS: Mapping[str, str] = {
    "bash": 'source script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tinyforge;'
    ' printf "%s\\n" "${COMPREPLY[@]}"',
    "zsh": "compdef() { : }; source script; words=($@); CURRENT=$#words;"
    " _describe() { print -l -- ${${(P)2}%%:*} }; _files() { print FILES }; _tinyforge",
    "fish": 'source script; complete -C (string join " " -- $argv) | string split -f1 \\t',
}


def asked(call: Calls, *words: str) -> Said:
    data = str(call.data)
    return call.bare("completion", "bash", "--candidates", "--data", data, "--", *words)


def offered(call: Calls, *words: str) -> list[str]:
    said = asked(call, *words)
    assert said.code == 0
    return [line.partition("\t")[0] for line in said.lines]


def in_shell(shell: str, folder: Path, line: Sequence[str]) -> list[str]:
    """Let *shell* complete the last word of *line*."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}")
    command = folder / "tinyforge"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tinyforge "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(SOURCE),
        "TINYFORGE_DATA": str(folder),
        "HOME": str(folder),
    }
    script = subprocess.run(
        [command, "completion", shell], env=environment, capture_output=True, check=True
    )
    (folder / "script").write_bytes(script.stdout)
    name = [] if shell == "fish" else [shell]
    done = subprocess.run(
        [program, "-c", ASKS[shell], *name, "tinyforge", *line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", ASKS)
def test_a_shell_offers_what_may_come_next(shell: str, desk: Desk) -> None:
    desk.say("GET /triggers", views.page(views.trigger("nightly"), views.trigger("often")))
    assert in_shell(shell, desk.data, ["trigger", "show", "n"]) == ["nightly"]


# --- what is offered


def test_at_first_every_command(call: Calls) -> None:
    assert set(offered(call, "")) == {one.words.split()[0] for one in COMMANDS}
    assert set(offered(call)) >= GROUPS.keys()


def test_within_a_group_its_commands(call: Calls) -> None:
    assert {"list", "show", "logs", "cancel", "retry"} <= set(offered(call, "run", ""))
    assert offered(call, "run", "sh") == ["show"]
    assert offered(call, "--json", "run", "sh") == ["show"]


def test_options_that_are_not_there_yet(call: Calls) -> None:
    assert {"--state", "--limit", "--data"} <= set(offered(call, "run", "list", "-"))
    assert "--limit" not in offered(call, "run", "list", "--limit", "3", "-")
    assert not any(name.startswith("--no-") for name in offered(call, "run", "list", "-"))


def test_the_values_that_an_option_takes(call: Calls) -> None:
    assert offered(call, "run", "list", "--state", "s") == ["succeeded", "superseded"]
    assert offered(call, "run", "list", "--state", "=", "f") == ["failed"]
    assert offered(call, "completion", "z") == ["zsh"]


def test_names_and_ids_that_the_server_knows(desk: Desk, call: Calls) -> None:
    workload = WorkloadView(
        id="wkl_1",
        name="site",
        kind="command",
        config={},
        queue="latest",
        timeout_us=1,
        attempts=1,
        backoff_us=1,
        idempotent=None,
        on=[],
        managed_by="api",
    )
    desk.say("GET /triggers", views.page(views.trigger("nightly")))
    desk.say("GET /workloads", views.page(workload))
    desk.say("GET /runs", views.page(views.run()))
    desk.say("GET /events", views.page(views.event()))
    assert offered(call, "explain", "") == ["nightly"]
    assert offered(call, "event", "list", "--trigger", "ni") == ["nightly"]
    assert offered(call, "deploy", "--wait", "") == ["site"]
    assert offered(call, "run", "logs", "-f", "") == [views.run().id]
    assert offered(call, "event", "show", "") == [views.event().id]
    assert offered(call, "run", "show", "run_x", "") == []


def test_of_ten_thousand_names_those_that_begin_so(desk: Desk, call: Calls) -> None:
    page = views.page(*(views.trigger(f"t{number:05}") for number in range(10_000)))
    desk.say("GET /triggers", page)
    assert len(offered(call, "explain", "t")) == 500
    assert len(offered(call, "explain", "t0999")) == 10


def test_where_nobody_answers_nothing_is_offered_and_nothing_said(
    call: Calls, tmp_path: Path
) -> None:
    said = asked(call, "explain", "")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert not (tmp_path / "tinyforge.db").exists()


def test_what_is_no_command_offers_nothing(call: Calls) -> None:
    assert offered(call, "foo", "") == []
    assert offered(call, "plan", "") == []  # a file, which the shell knows best
