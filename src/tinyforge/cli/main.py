"""The command line: words in, an exit code out, and never a traceback for a user's mistake.

0 done · 1 it failed or found something · 2 called wrongly · 130 Ctrl-C · 141 the reader went away
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from cyclopts import (
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnusedCliTokensError,
)

from tinyforge.cli.commands import COMMANDS, GROUPS, build
from tinyforge.cli.failure import CalledWrongly, CommandFailed
from tinyforge.cli.options import shared_last
from tinyforge.cli.text import safe_line
from tinyforge.errors import InvalidSettings, Refused, TinyforgeError

STOPPED, NO_READER = 130, 141
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main() -> int:
    """Run what the process was called with."""
    return run(sys.argv[1:])


def run(words: Sequence[str]) -> int:
    """Run one command line and return its exit code; write nothing to a reader that went away."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _outcome(list(words))
        sys.stdout.flush()
    except BrokenPipeError:
        _write_no_more()
        return NO_READER
    except OSError as problem:
        if problem.errno not in NO_ROOM:
            raise
        _write_no_more()
        return _failed(CommandFailed(f"standard output: {problem.strerror}", "make room for it"))
    return code


def _write_no_more() -> None:
    """Give Python somebody to write to, for it flushes once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _outcome(words: list[str]) -> int:
    try:
        code = build()(shared_last(words), exit_on_error=False, print_error=False)
    except (CycloptsError, TinyforgeError) as problem:
        return _failed(failure(problem))
    except KeyboardInterrupt:
        return STOPPED
    return code if isinstance(code, int) else 0


def failure(problem: CycloptsError | TinyforgeError) -> CommandFailed:
    """Return *problem* as what ends a command."""
    match problem:
        case CommandFailed():
            return problem
        case UnknownCommandError():
            return _unknown(problem)
        case CycloptsError():
            words = " ".join(("tinyforge", *(problem.command_chain or ())))
            return CalledWrongly(_mistake(problem, words), f"{words} --help")
        case Refused(problem=said, fix=fix):
            return CommandFailed(said, fix)
        case InvalidSettings(mistakes=mistakes):
            return CalledWrongly("the settings have mistakes", "", mistakes)
        case _:
            return CommandFailed(str(problem))


def _mistake(problem: CycloptsError, words: str) -> str:
    match problem:
        case MissingArgumentError(argument=argument) if argument is not None:
            name = argument.name
            return f"{name} needs a value" if name.startswith("-") else f"{words} needs {name}"
        case UnusedCliTokensError(unused_tokens=[first, *_]):
            return f"{words} takes no {first!r}"
        case _:
            return str(problem).strip()


def _unknown(problem: UnknownCommandError) -> CommandFailed:
    """Suggest from the table of commands; asking for its own text would import them all."""
    typed = " ".join((*(problem.command_chain or ()), *(problem.unused_tokens or ())[:1]))
    known = [*GROUPS, *(one.words for one in COMMANDS)]
    near = get_close_matches(typed, known, 1) or [
        words for words in known if words.endswith(f" {typed}")
    ]
    suggested = f"{near[0]} " if near else ""
    return CalledWrongly(f"there is no command {typed!r}", f"tinyforge {suggested}--help")


def _failed(problem: CommandFailed) -> int:
    sys.stdout.flush()
    said = [
        f"error: {problem.problem}",
        *(one for one in problem.mistakes if one != problem.problem),
    ]
    said += [f"fix: {problem.fix}"] if problem.fix else []
    for text in said:
        for line in text.splitlines():
            sys.stderr.write(safe_line(line) + "\n")
    return problem.exit_code
