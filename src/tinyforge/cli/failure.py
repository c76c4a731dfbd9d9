"""What ends a command without a traceback.

CommandFailed        exit 1: understood and not done, or it found something
├── CalledWrongly    exit 2: the command line, the environment or an input file cannot be meant
└── Interrupted      exit 130: Ctrl-C while a run was followed
ServerDown           nobody answers on the socket; the file may still be read
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tinyforge.errors import TinyforgeError


class CommandFailed(TinyforgeError):
    """*fix* is the next command to type; *mistakes* are listed one a line."""

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, fix: str = "", mistakes: Sequence[str] = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.mistakes = tuple(mistakes)


class CalledWrongly(CommandFailed):
    exit_code: ClassVar[int] = 2


class ServerDown(TinyforgeError):
    def __init__(self, socket: str) -> None:
        super().__init__(f"no server answers at {socket}")
        self.socket = socket


class Interrupted(CommandFailed):
    """Somebody stopped following; the run goes on."""

    exit_code: ClassVar[int] = 130

    def __init__(self, run: str) -> None:
        super().__init__(
            f"{run} goes on",
            f"tinyforge run logs {run} --follow, or tinyforge run cancel {run}",
        )
