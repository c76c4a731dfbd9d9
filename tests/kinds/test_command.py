"""Real processes, under both event loops."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.kinds.conftest import is_running
from tinyforge.errors import DeployFailed
from tinyforge.kinds import DeployContext
from tinyforge.testing.kinds import Written, check_cancellation, deploy_context
from tinyforge.workloads.command import Command
from tinyforge.workloads.facts import FromEvent

RUN = f"run_{os.getpid():013d}"
Until = Callable[[Callable[[], bool]], Awaitable[None]]


def shell(script: str, grace: str = "5s") -> Command:
    return Command(command=("sh", "-c", script), stop_grace=grace)


def context(facts: dict[str, object] | None = None, *, log: Written | None = None) -> DeployContext:
    return deploy_context(facts or {}, log=log, run=RUN)


async def output(command: Command, facts: dict[str, object] | None = None) -> list[str]:
    log = Written()
    await command.deploy(context(facts, log=log))
    return log.lines


async def failure(command: Command) -> DeployFailed:
    with pytest.raises(DeployFailed) as caught:
        await output(command)
    return caught.value


def event_files() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"tinyforge-{RUN}-*"))


def test_output_and_errors_become_lines_of_the_log(loop_runner: asyncio.Runner) -> None:
    lines = loop_runner.run(output(shell("echo one; echo two >&2; printf three")))

    assert lines == ["one", "two", "three"]


def test_lines_are_seen_while_the_program_runs(
    loop_runner: asyncio.Runner, until: Until, tmp_path: Path
) -> None:
    async def watch() -> None:
        log = Written()
        command = shell(f"echo first; read x < {tmp_path}/pipe; echo $x")
        deploying = asyncio.ensure_future(command.deploy(context(log=log)))
        await until(lambda: log.lines == ["first"])
        assert not deploying.done()
        await asyncio.to_thread((tmp_path / "pipe").write_text, "second\n")
        await deploying
        assert log.lines == ["first", "second"]

    os.mkfifo(tmp_path / "pipe")
    loop_runner.run(watch())


def test_an_exit_code_is_a_failure_that_may_be_tried_again(loop_runner: asyncio.Runner) -> None:
    problem = loop_runner.run(failure(shell("exit 3")))

    assert str(problem) == "sh exited with 3"
    assert problem.retryable


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("KILL", "sh was killed by SIGKILL (out of memory?)"),
        ("TERM", "sh was killed by SIGTERM"),
        ("SEGV", "sh was killed by SIGSEGV"),
    ],
)
def test_a_signal_is_named(loop_runner: asyncio.Runner, name: str, said: str) -> None:
    assert str(loop_runner.run(failure(shell(f"kill -{name} $$")))) == said


async def test_a_program_that_is_missing_from_path_is_no_use_to_try_again() -> None:
    problem = await failure(Command(command=("no-such-program",)))

    assert "no-such-program: not in any folder of PATH=/usr/local/sbin:" in str(problem)
    assert "correct `command`" in str(problem)
    assert not problem.retryable


async def test_a_program_that_is_missing_from_its_folder_is_named_whole(tmp_path: Path) -> None:
    problem = await failure(Command(command=("./deploy.sh",), cwd=str(tmp_path)))

    assert f"./deploy.sh: {tmp_path}/deploy.sh does not exist" in str(problem)
    assert not problem.retryable


async def test_a_missing_folder_is_named() -> None:
    problem = await failure(Command(command=("true",), cwd="/no/such/folder"))

    assert "cwd /no/such/folder: no such folder" in str(problem)
    assert not problem.retryable


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("#!/bin/sh\n", 0o644, "may not run it; `chmod +x` it"),
        (
            "#!/no/such/interpreter\n",
            0o755,
            "the interpreter named in its first line does not exist",
        ),
        ("no script\n", 0o755, "is no program; begin it with a line such as #!/bin/sh"),
    ],
)
async def test_a_file_that_cannot_be_run_says_what_to_do(
    tmp_path: Path, content: str, mode: int, said: str
) -> None:
    (tmp_path / "deploy.sh").write_text(content)
    (tmp_path / "deploy.sh").chmod(mode)

    problem = await failure(Command(command=("./deploy.sh",), cwd=str(tmp_path)))

    assert said in str(problem)
    assert not problem.retryable


async def test_arguments_that_are_too_long_say_so() -> None:
    problem = await failure(Command(command=("true", "x" * 200_000)))

    assert "too long" in str(problem)
    assert not problem.retryable


async def test_arguments_reach_the_program_untouched_by_any_shell(tmp_path: Path) -> None:
    nasty = ["$(touch canary)", "; touch canary", "`touch canary`", "a b", "", "-n", "*", "\n", "ü"]

    await output(
        Command(
            command=(
                "python3",
                "-c",
                "import sys; open('args','w').write(repr(sys.argv[1:]))",
                *nasty,
            ),
            cwd=str(tmp_path),
        )
    )

    assert (tmp_path / "args").read_text() == repr(nasty)
    assert not (tmp_path / "canary").exists()


async def test_the_program_reads_nothing_and_has_no_files_of_ours() -> None:
    assert await output(shell("cat; ls /proc/self/fd | wc -w")) == ["4"]


def test_cancelled_the_program_may_end_in_its_own_way(loop_runner: asyncio.Runner) -> None:
    log = Written()
    command = shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done")

    loop_runner.run(check_cancellation(command, context(log=log), lambda: "up" in log.lines))

    assert log.lines[-1] == "bye"


def test_cancelled_a_program_that_will_not_end_is_killed_with_all_its_children(
    loop_runner: asyncio.Runner,
) -> None:
    log = Written()
    command = shell(
        "trap '' TERM; (trap '' TERM; exec sleep 600) & echo $!; echo $$; echo up; while :; do sleep 1; done",
        grace="1s",
    )

    loop_runner.run(check_cancellation(command, context(log=log), lambda: "up" in log.lines))

    child, parent = map(int, log.lines[:2])
    assert not is_running(child)
    assert not is_running(parent)


def test_cancelled_twice_there_is_no_grace(loop_runner: asyncio.Runner, until: Until) -> None:
    log = Written()

    async def cancel_twice() -> None:
        command = shell("trap 'echo no' TERM; echo $$; while :; do sleep 0.05; done", grace="5m")
        deploying = asyncio.ensure_future(command.deploy(context(log=log)))
        await until(lambda: len(log.lines) == 1)
        deploying.cancel()
        await until(lambda: "no" in log.lines)
        deploying.cancel()
        await asyncio.wait([deploying], timeout=5)
        assert deploying.cancelled()

    loop_runner.run(cancel_twice())
    assert not is_running(int(log.lines[0]))


def test_a_stopped_program_is_ended_too(loop_runner: asyncio.Runner) -> None:
    log = Written()

    def is_stopped() -> bool:
        return bool(log.lines) and ") T " in Path(f"/proc/{log.lines[0]}/stat").read_text()

    command = shell("echo $$; kill -STOP $$", grace="5m")
    loop_runner.run(check_cancellation(command, context(log=log), is_stopped))


def test_cancelled_before_it_runs_nothing_is_left(
    loop_runner: asyncio.Runner, tmp_path: Path
) -> None:
    async def cancel_at_once() -> None:
        command = Command(
            command=("sh", "-c", "sleep 600 & echo $! > pid; sleep 600"), cwd=str(tmp_path)
        )
        deploying = asyncio.ensure_future(command.deploy(context()))
        await asyncio.sleep(0)
        deploying.cancel()
        await asyncio.wait([deploying], timeout=10)
        assert deploying.cancelled()

    loop_runner.run(cancel_at_once())
    assert event_files() == []
    pid = tmp_path / "pid"
    assert not pid.exists() or not pid.read_text() or not is_running(int(pid.read_text()))


@pytest.mark.parametrize(
    "held", ["", "> /dev/null 2>&1"], ids=["holds the output", "holds nothing"]
)
def test_what_a_program_leaves_running_in_its_group_is_ended(
    loop_runner: asyncio.Runner, held: str
) -> None:
    lines = loop_runner.run(output(shell(f"sleep 600 {held} & echo $!")))

    assert not is_running(int(lines[0]))
    assert lines[1:] == ["the program has ended; ending what it left running in the background"]


def test_a_process_in_a_session_of_its_own_does_not_hold_up_the_run(
    loop_runner: asyncio.Runner,
) -> None:
    lines = loop_runner.run(output(shell("setsid -f sh -c 'echo $$; exec sleep 600'")))

    os.kill(int(lines[0]), 9)
    assert lines[1:] == ["a process outside of its group holds the output, which is no longer read"]


def test_a_log_that_cannot_be_written_ends_the_program(loop_runner: asyncio.Runner) -> None:
    class Full(Written):
        def write(self, line: str) -> None:
            super().write(line)
            raise OSError("no space left")

    log = Full()
    with pytest.raises(OSError, match="no space left"):
        loop_runner.run(shell("echo $$; exec sleep 600").deploy(context(log=log)))

    assert not is_running(int(log.lines[0]))


def test_many_at_once_do_not_get_in_each_others_way(loop_runner: asyncio.Runner) -> None:
    async def many() -> list[list[str]]:
        return await asyncio.gather(*(output(shell(f"echo {n}; exit 0")) for n in range(30)))

    assert loop_runner.run(many()) == [[str(n)] for n in range(30)]


def test_a_flood_of_output_does_not_keep_the_loop_from_others(loop_runner: asyncio.Runner) -> None:
    class Counting(Written):
        count = 0

        def write(self, line: str) -> None:
            self.count += 1

    async def beside_a_flood() -> tuple[int, int]:
        log = Counting()
        deploying = asyncio.ensure_future(shell("yes | head -c 2000000").deploy(context(log=log)))
        turns = 0
        while not deploying.done():
            await asyncio.sleep(0)
            turns += 1
        await deploying
        return log.count, turns

    lines, turns = loop_runner.run(beside_a_flood())
    assert lines == 1_000_000
    assert turns > 20


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        ("./deploy.sh site", '["./deploy.sh", "site"]'),
        ("./deploy.sh 'my site'", '["./deploy.sh", "my site"]'),
        ("cd /srv && ./deploy.sh", '["sh", "-c", "cd /srv && ./deploy.sh"]'),
        ("A=1 ./deploy.sh", '["sh", "-c", "A=1 ./deploy.sh"]'),
        ("echo 'open", '["sh", "-c", "echo \'open"]'),
    ],
)
def test_a_single_string_is_refused_with_the_list_to_write(written: str, fix: str) -> None:
    with pytest.raises(ValueError, match="command: must be a list") as caught:
        Command(command=written)

    assert str(caught.value) == f"command: must be a list; write {fix}"


@pytest.mark.parametrize(
    ("config", "mistake"),
    [
        ({"command": ()}, "command: name a program"),
        ({"command": ("",)}, "command: name a program"),
        ({"command": ("a\0b",)}, "command: must not hold a NUL"),
        ({"env": {"A B": "x"}}, "env: 'A B' cannot be the name of a variable"),
        (
            {"env": {"TINYFORGE_RUN_ID": "x"}},
            "names that begin with TINYFORGE_ are set by tinyforge",
        ),
        ({"env": {"A": "x\0"}}, "env.A: must not hold a NUL"),
        ({"inherit": ("1A",)}, "inherit: '1A' cannot be the name of a variable"),
        ({"stop_grace": "soon"}, "stop_grace: 'soon' is not"),
        ({"stop_grace": "6m"}, "stop_grace: must be at most 5m"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(config: dict[str, object], mistake: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        Command(**{"command": ("true",), **config})  # type: ignore[arg-type]

    assert mistake in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD",
        "PYTHONPATH",
        "BASH_ENV",
        "GIT_SSH_COMMAND",
        "NODE_OPTIONS",
        "PATH",
        "IFS",
        "ld_preload",
        "HTTPS_PROXY",
        "http_proxy",
        "PERL5OPT",
        "RUBYOPT",
        "DOCKER_HOST",
        "JAVA_TOOL_OPTIONS",
        "HOME",
    ],
)
def test_an_event_never_fills_a_variable_that_steers_programs(name: str) -> None:
    Command(command=("true",), env={name: "by the admin"})

    with pytest.raises(ValueError, match="an event must not fill it"):
        Command(command=("true",), env={name: FromEvent(event="/branch")})


@pytest.mark.parametrize(
    "name", ["BRANCH", "IMAGE_TAG", "GOAL", "PYRAMID", "MODE", "LDAP_USER", "commit"]
)
def test_an_event_may_fill_any_other(name: str) -> None:
    Command(command=("true",), env={name: FromEvent(event="/branch")})


class TestEventFile:
    async def test_it_holds_everything_and_is_private_and_is_removed(self) -> None:
        script = "stat -c %a:%U $TINYFORGE_EVENT_FILE; cat $TINYFORGE_EVENT_FILE"

        mode, text = await output(shell(script), {"branch": "main", "long": "x" * 5_000})

        assert mode.startswith("600:")
        assert '"branch":"main"' in text
        assert '"id":"evt_0000000000001"' in text
        assert "x" * 5_000 in text
        assert event_files() == []

    async def test_it_is_removed_when_the_program_fails_or_is_missing(self) -> None:
        await failure(shell("exit 1"))
        await failure(Command(command=("no-such-program",)))

        assert event_files() == []

    async def test_odd_facts_do_not_keep_a_program_from_running(self) -> None:
        assert await output(
            shell("echo ran"), {"a": "\ud800", "b": float("nan"), "branch": "\x00"}
        ) == [
            "TINYFORGE_EVENT_BRANCH is not set: the fact holds control characters; it is in $TINYFORGE_EVENT_FILE",
            "ran",
        ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the user")
class TestUser:
    async def test_user_group_and_supplementary_groups_are_all_set(self) -> None:
        command = Command(
            command=("sh", "-c", "id -u; id -g; id -G; echo $HOME $USER"), user="nobody"
        )

        assert await output(command) == ["65534", "65534", "65534", "/nonexistent nobody"]

    async def test_the_user_can_read_its_event_file(self) -> None:
        command = Command(command=("sh", "-c", "cat $TINYFORGE_EVENT_FILE | wc -l"), user="nobody")

        assert len(await output(command)) == 1

    async def test_its_processes_are_ended_as_well(self) -> None:
        log = Written()
        command = Command(command=("sh", "-c", "echo $$; exec sleep 600"), user="nobody")

        await check_cancellation(command, context(log=log), lambda: bool(log.lines))

        assert not is_running(int(log.lines[0]))

    async def test_a_folder_that_is_closed_to_the_user_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "deploy.sh").write_text("#!/bin/sh\n")
        (tmp_path / "deploy.sh").chmod(0o755)
        tmp_path.chmod(0o700)
        command = Command(command=("./deploy.sh",), user="nobody", cwd=str(tmp_path))

        assert "nobody may not run it" in str(await failure(command))


async def test_an_unknown_user_is_named() -> None:
    problem = await failure(Command(command=("true",), user="no-such-user"))

    assert str(problem) == (
        "no user named 'no-such-user' on this machine; correct `user`, or create it"
    )
    assert not problem.retryable
