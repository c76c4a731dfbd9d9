"""What `tinyforge init` does: write a first manifest, or a systemd unit."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.failure import CalledWrongly, CommandFailed
from tinyforge.cli.options import Shared
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.systemd import unit
from tinyforge.cli.zone import machine_zone
from tinyforge.errors import NotFound
from tinyforge.manifest.examples import DEFAULT, names, text


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class InitFlags:
    example: Annotated[
        str, Parameter(show_default=True, help="Which example; --list names them.")
    ] = DEFAULT
    list_: Annotated[bool, Parameter(name="--list", help="Name the examples.")] = False
    force: Annotated[bool, Parameter(help="Write over a file that is there.")] = False
    systemd: Annotated[bool, Parameter(help="Print a systemd unit instead.")] = False
    json: Annotated[bool, Parameter(help="JSON for programs.")] = False


NO_FLAGS = InitFlags()


def init(
    file: Annotated[str, Parameter(show_default=True, help="Where it is written.")] = (
        "tinyforge.yaml"
    ),
    /,
    *,
    flags: InitFlags = NO_FLAGS,
) -> int:
    out = screen(Shared(json=flags.json))
    if flags.list_:
        return _print(out, "examples", names())
    if flags.systemd:
        return _print(out, "unit", unit(_program()).splitlines())
    text = _text(flags.example)
    secret = "secret:" in text
    _write(Path(file), text, force=flags.force, mode=0o600 if secret else 0o666)
    command = f"tinyforge serve --config {shlex.quote(file)}"
    if flags.json:
        return out.raw(json.encode({"wrote": file, "next_command": command}))
    out.line(f"wrote {file}")
    if secret:
        out.hint("it holds a secret, so that only you can read it; a server of another user cannot")
    out.next(command)
    return 0


def _print(out: Screen, what: str, lines: Sequence[str]) -> int:
    if out.shared.json:
        return out.raw(json.encode({what: lines}))
    for line in lines:
        out.line(line)
    return 0


def _text(example: str) -> str:
    try:
        return text(example, machine_zone(os.environ))
    except NotFound as unknown:
        raise CalledWrongly(str(unknown), "tinyforge init --list") from None


def _write(path: Path, content: str, *, force: bool, mode: int) -> None:
    how = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, how, mode), "w", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        raise CommandFailed(
            f"{path} is there already, and was left as it is",
            f"tinyforge init OTHER.yaml, or tinyforge init {shlex.quote(str(path))} --force",
        ) from None
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise CommandFailed(f"{path}: {reason}", "name a file that can be written") from None


def _program() -> str:
    """Return the full path of this command as it was called, for a unit needs one."""
    called = Path(sys.argv[0])
    if called.name == "tinyforge" and called.exists():
        return str(called.absolute())
    return shutil.which("tinyforge") or f"{sys.executable} -m tinyforge"
