"""Starting a program, and saying in plain words why it would not start."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from tinyforge.errors import DeployFailed
from tinyforge.workloads.account import Account

PASSING = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY})
REASONS: Mapping[int | None, str] = MappingProxyType(
    {
        errno.ENOENT: "the interpreter named in its first line does not exist; install it",
        errno.EACCES: "{user} may not run it; `chmod +x` it and open its folders and `cwd`",
        errno.ENOEXEC: "is no program; begin it with a line such as #!/bin/sh",
        errno.E2BIG: "arguments and environment are too long; hand long values on in a file",
    }
)


class Launch(Struct, frozen=True, kw_only=True):
    argv: tuple[str, ...]
    cwd: str | None
    env: Mapping[str, str]
    account: Account


def spawn(launch: Launch) -> subprocess.Popen[bytes]:
    """Start the program as its account, with its output in one pipe; raise DeployFailed. Blocks."""
    who = launch.account
    try:
        return subprocess.Popen(  # noqa: S603 - a list from the config, never through a shell
            launch.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=launch.cwd,
            env=launch.env,
            start_new_session=True,
            user=None if who.is_ours else who.uid,
            group=None if who.is_ours else who.gid,
            extra_groups=None if who.is_ours else who.groups,
        )
    except OSError as problem:
        raise DeployFailed(
            _missing(launch) or _reason(problem, launch), retryable=problem.errno in PASSING
        ) from problem


def _missing(launch: Launch) -> str | None:
    program, path = launch.argv[0], launch.env.get("PATH", "")
    if launch.cwd and not Path(launch.cwd).is_dir():
        return f"cwd {launch.cwd}: no such folder; create it, or correct `cwd`"
    if "/" in program:
        whole = Path(launch.cwd or ".").absolute() / program
        found, where = whole.exists(), f"{whole} does not exist"
    else:
        found, where = (
            bool(shutil.which(program, os.F_OK, path)),
            f"not in any folder of PATH={path}",
        )
    return None if found else f"{program}: {where}; install it, or correct `command`"


def _reason(problem: OSError, launch: Launch) -> str:
    fallback = f"could not be started: {problem.strerror}"
    reason = REASONS.get(problem.errno, fallback).format(user=launch.account.name)
    return f"{launch.argv[0]}: {reason}"
