"""Workload kind `command`: run a program."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from tinyforge.clock import MINUTE, SECOND
from tinyforge.errors import DeployFailed
from tinyforge.kinds import DeployContext, WorkloadKind
from tinyforge.references import Secrets
from tinyforge.schedule.words import duration
from tinyforge.workloads import environment
from tinyforge.workloads.account import Account, account
from tinyforge.workloads.environment import EVENT_FILE, NAME, OURS, may_hold_a_fact
from tinyforge.workloads.facts import FromEvent
from tinyforge.workloads.launch import Launch, spawn
from tinyforge.workloads.living import end_marked
from tinyforge.workloads.output import Lines
from tinyforge.workloads.process import end, follow

LONGEST_GRACE = 5 * MINUTE
REAP_GRACE = 5.0  # seconds
SHELL = re.compile(r"[|&;<>()$`*?]|^\s*\w+=")  # what only a shell understands


class Started(Struct, frozen=True, kw_only=True):
    process: subprocess.Popen[bytes]
    event_file: Path
    secrets: Secrets
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Command(WorkloadKind):
    """Never through a shell; the environment is built from empty."""

    command: Annotated[
        tuple[str, ...] | str, Meta(description="the program and its arguments, as a list")
    ]
    cwd: Annotated[str | None, Meta(description="the folder to run it in")] = None
    env: Annotated[
        dict[str, str | FromEvent],
        Meta(description="variables: a text, or {event: /branch} for a fact of the event"),
    ] = field(default_factory=dict)
    inherit: Annotated[
        tuple[str, ...], Meta(description="variables to take over from the server")
    ] = ()
    user: Annotated[str | None, Meta(description="the user to run it as, with all its groups")] = (
        None
    )
    stop_grace: Annotated[
        str, Meta(description="how long SIGTERM may take before SIGKILL; 5s if not given")
    ] = "5s"

    def __post_init__(self) -> None:
        mistakes = [
            *_wrong_command(self.command),
            *_wrong_variables(self.env, self.inherit),
            *_wrong_grace(self.stop_grace),
        ]
        if mistakes:
            raise ValueError("\n".join(mistakes))

    async def deploy(self, context: DeployContext) -> None:
        """Run the program to its end; cancelled: end its whole process group first."""
        started = await self._start(context)
        log = started.secrets.guard(context.log)
        try:
            for note in started.notes:
                log.write(note)
            grace = duration(self.stop_grace) / SECOND
            lines = Lines(started.secrets)
            code = await follow(started.process, lines, context.log.write, grace)
        finally:
            with suppress(OSError):
                started.event_file.unlink()
        if code:
            raise DeployFailed(f"{self.argv[0]} {_how_it_ended(code)}")

    @property
    def argv(self) -> tuple[str, ...]:
        return (self.command,) if isinstance(self.command, str) else self.command

    async def _start(self, context: DeployContext) -> Started:
        """Start the program in a thread: a fork, a user database and a folder may all be slow."""
        starting = asyncio.ensure_future(asyncio.to_thread(self._start_now, context))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with suppress(DeployFailed):
                await _abandon(await starting)
            raise

    def _start_now(self, context: DeployContext) -> Started:
        secrets = Secrets()
        who = account(secrets.resolve(self.user) if self.user else None)
        env, notes = self._environment(who, context, secrets)
        argv = tuple(secrets.resolve(part) for part in self.argv)
        cwd = secrets.resolve(self.cwd) if self.cwd else None
        file = environment.write_event_file(who, context)
        launch = Launch(argv=argv, cwd=cwd, env={**env, EVENT_FILE: str(file)}, account=who)
        try:
            process = spawn(launch)
        except DeployFailed as problem:
            file.unlink()
            raise DeployFailed(secrets.redact(str(problem)), retryable=problem.retryable) from None
        return Started(process=process, event_file=file, secrets=secrets, notes=tuple(notes))

    def _environment(
        self, who: Account, context: DeployContext, secrets: Secrets
    ) -> tuple[Mapping[str, str], list[str]]:
        told, notes = environment.environment(who, context)
        taken = {name: os.environ[name] for name in self.inherit if name in os.environ}
        texts = {name: text for name, text in self.env.items() if isinstance(text, str)}
        facts, more = environment.as_texts(
            {
                name: wanted.of(context.event.facts)
                for name, wanted in self.env.items()
                if isinstance(wanted, FromEvent)
            }
        )
        written = {name: secrets.resolve(text) for name, text in texts.items()}
        return {**told, **taken, **written, **facts}, notes + more

    @classmethod
    def reap(cls, runs: frozenset[str]) -> None:
        """End the process groups that these runs left behind, and remove their event files."""
        if runs:
            marks = frozenset(f"{environment.RUN_ID}={run}".encode() for run in runs)
            end_marked(marks, REAP_GRACE)
        for run in runs:
            environment.remove_event_files(run)


async def _abandon(started: Started) -> None:
    """End what was started for a run that was cancelled meanwhile."""
    started.event_file.unlink(missing_ok=True)
    await end(started.process)


def _how_it_ended(code: int) -> str:
    if code > 0:
        return f"exited with {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")


def _wrong_command(command: tuple[str, ...] | str) -> Iterator[str]:
    if isinstance(command, str):
        yield f"command: must be a list; write {json.dumps(_as_list(command))}"
    elif not command or not command[0]:
        yield 'command: name a program, such as ["./deploy.sh", "site"]'
    elif any("\0" in part for part in command):
        yield "command: must not hold a NUL character"


def _as_list(command: str) -> list[str]:
    if SHELL.search(command):
        return ["sh", "-c", command]
    try:
        return shlex.split(command)
    except ValueError:
        return ["sh", "-c", command]


def _wrong_variables(env: Mapping[str, str | FromEvent], inherit: tuple[str, ...]) -> Iterator[str]:
    for where, name in [*(("env", name) for name in env), *(("inherit", name) for name in inherit)]:
        if not NAME.fullmatch(name):
            yield f"{where}: {name!r} cannot be the name of a variable"
        elif name.startswith(OURS):
            yield f"{where}: {name}: names that begin with {OURS} are set by tinyforge"
    for name, value in env.items():
        if isinstance(value, FromEvent) and not may_hold_a_fact(name):
            yield f"env.{name}: an event must not fill it, it steers programs; choose another name"
        elif isinstance(value, str) and "\0" in value:
            yield f"env.{name}: must not hold a NUL character"


def _wrong_grace(text: str) -> Iterator[str]:
    try:
        grace = duration(text)
    except ValueError as problem:
        yield f"stop_grace: {problem}"
    else:
        if grace > LONGEST_GRACE:
            yield "stop_grace: must be at most 5m"
