"""The command line as a whole: its table, its help, its exit codes, how soon it starts."""

from __future__ import annotations

import os
import pty
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from threading import Event

import pytest

import tinyforge
from tests.cli import views
from tests.cli.calls import Calls
from tests.cli.desk import Asked, Desk
from tinyforge.cli.commands import COMMANDS, GROUPS, Command
from tinyforge.cli.options import shared_last

HEAVY = (
    "aiohttp",
    "apsw",
    "asyncio",
    "cronsim",
    "litestar",
    "prometheus_client",
    "structlog",
    "tinyforge.server",
    "uvicorn",
    "uvloop",
    "yaml",
)
SOURCE = Path(tinyforge.__file__).parent.parent


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_every_command_has_its_code_its_help_and_its_example(command: Command, call: Calls) -> None:
    assert callable(resolve_name(f"tinyforge.cli.{command.target}"))
    said = call.bare(*command.words.split(), "--help")
    assert said.code == 0
    assert " ".join(command.what.split()[:3]) in said.out
    assert command.example.startswith(f"tinyforge {command.words}")


def test_help_lists_every_command_and_the_first_steps(call: Calls) -> None:
    said = call.bare("--help")
    top = {command.words.split()[0] for command in COMMANDS}
    assert top > GROUPS.keys()
    assert all(f"│ {name} " in said.out for name in top)
    assert "tinyforge init" in said.out


@pytest.mark.parametrize(
    ("words", "error", "fix"),
    [
        (("foo",), "there is no command 'foo'", "tinyforge --help"),
        (("triger", "list"), "there is no command 'triger'", "tinyforge trigger --help"),
        (("cancel",), "there is no command 'cancel'", "tinyforge run cancel --help"),
        (("run", "lst"), "there is no command 'run lst'", "tinyforge run list --help"),
        (("run", "show"), "tinyforge run show needs RUN", "tinyforge run show --help"),
        (("run", "list", "more"), "run list takes no 'more'", "tinyforge run list --help"),
        (("run", "list", "--limit", "0"), "Must be > 0", "tinyforge run list --help"),
        (("run", "list", "--limit"), "error: --limit needs a value", "tinyforge run list --help"),
        (("run", "list", "--state", "bad"), "Choose from", "tinyforge run list --help"),
        (("run", "list", "--colour"), "--colour", "tinyforge run list --help"),
        (("explain", "nightly", "--colour"), "no option --colour", "add --help to see all"),
        (("plan", "--colour"), "no option --colour", "add --help to see all"),
    ],
)
def test_a_call_that_cannot_be_meant_is_exit_2_with_the_fix(
    words: tuple[str, ...], error: str, fix: str, call: Calls
) -> None:
    said = call.bare(*words)
    assert (said.code, said.out) == (2, "")
    assert error in said.err
    assert said.last == f"fix: {fix}"


def test_mistakes_in_the_environment_are_exit_2(
    call: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYFORGE_DATA", "a")
    said = call.bare("run", "list", "--data", "")
    assert said.code == 2
    assert "--data: '' is no path" in said.err


def test_shared_options_before_the_command_are_as_good_as_after_it() -> None:
    assert shared_last(["--json", "--data", "x", "run", "list"]) == [
        "run",
        "list",
        "--json",
        "--data",
        "x",
    ]
    assert shared_last(["--data=x", "plan", "--", "-"]) == ["plan", "--data=x", "--", "-"]
    assert shared_last(["--data"]) == ["--data"]
    assert shared_last(["--version"]) == ["--version"]


# --- the process


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE), **more}


def python(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_module_can_be_called() -> None:
    said = python("-m", "tinyforge", "--version")
    assert (said.returncode, said.stdout) == (0, f"{tinyforge.__version__}\n")


def test_the_version_is_said_without_what_a_server_needs() -> None:
    program = (
        "import sys; from tinyforge.cli.main import run; run(['--version']);"
        f"print(sorted(sys.modules.keys() & set({HEAVY!r})))"
    )
    assert python("-c", program).stdout.splitlines()[-1] == "[]"


def test_the_version_takes_no_time() -> None:
    assert min(seconds("-m", "tinyforge", "--version") for _ in range(5)) < 0.2


def seconds(*words: str) -> float:
    """Return the processor time of a call, which others on this machine do not lengthen."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    python(*words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@contextmanager
def called(desk: Desk, *words: str, **pipes: int) -> Iterator[subprocess.Popen[str]]:
    """Run a command as a process of its own, and end it where the test does not."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tinyforge", *words, "--data", str(desk.data)],
        env=environment(),
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_a_reader_that_goes_away_ends_it_silently(desk: Desk) -> None:
    page = views.page(*map(views.run, range(500)), next=views.RUN)
    desk.say("GET /runs", page)
    with called(desk, "run", "list", "--limit", "100000") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_full_disk_behind_the_output_is_said_in_a_line(desk: Desk) -> None:
    desk.say("GET /runs", views.page(views.run()))
    with (
        Path("/dev/full").open("w") as full,
        called(desk, "run", "list", stdout=full.fileno()) as process,
    ):
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(30) == 1
    assert said == ("error: standard output: No space left on device\nfix: make room for it\n")


def test_ctrl_c_ends_the_following_and_not_the_run(desk: Desk) -> None:
    desk.say(f"GET /runs/{views.RUN}/log", views.log("begun"), views.log())
    with called(desk, "run", "logs", views.RUN, "-f") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        said = process.stderr.read()
    assert f"{views.RUN} goes on" in said
    assert f"tinyforge run cancel {views.RUN}" in said


def test_ctrl_c_before_an_answer_is_no_traceback(desk: Desk) -> None:
    gone = Event()

    def waits(_: Asked) -> tuple[int, bytes]:
        gone.wait(30)
        return 500, b""

    desk.answers["GET /triggers"] = waits
    with called(desk, "trigger", "list") as process:
        assert desk.seen.wait(30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""
        gone.set()


def test_on_a_terminal_a_table_has_colours_and_fits(desk: Desk) -> None:
    desk.say("GET /runs", views.page(views.run(state="failed", workload="w" * 63)))
    ours, theirs = pty.openpty()
    with called(desk, "run", "list", stdout=theirs) as process:
        assert process.wait(30) == 0
    os.close(theirs)
    text = os.read(ours, 65_536).decode()
    os.close(ours)
    head, line = text.splitlines()
    assert head.startswith("\x1b[1mRUN")
    assert "\x1b[31mfailed" in line
    assert "…" in line
