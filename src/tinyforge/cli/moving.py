"""What `migrate` does: everything into another database, with a line for each table."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, TypeAlias, cast

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.failure import CalledWrongly
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.remote import URL
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.text import counted
from tinyforge.errors import InvalidSettings
from tinyforge.operations.moving import MoveView, Progress
from tinyforge.settings import data_folder, read_database

DATABASE = "tinyforge.db"
Where: TypeAlias = Path | str
Moves: TypeAlias = Callable[[Where, Where, Callable[[Progress], None]], MoveView]
EXAMPLE = "tinyforge migrate --from /var/lib/tinyforge --to postgresql://USER@HOST/NAME"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MoveFlags:
    from_: Annotated[
        str | None,
        Parameter(name="--from", help="A data folder or a postgresql:// address; else --data."),
    ] = None
    to: Annotated[
        str | None, Parameter(help="The same, for where it goes: an empty one; else --data.")
    ] = None
    quiet: Annotated[bool, Parameter(help="Say nothing but what goes wrong.")] = False


NO_FLAGS = MoveFlags()


def migrate(*, flags: MoveFlags = NO_FLAGS, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    source, target = _ends(flags, shared)
    if os.environ.get(URL) and shared.data is None:
        out.hint(f"{URL} is not looked at: this moves what is on this machine")
    # The whole server is behind this name, and a mistake in the words is said before its import.
    move = cast("Moves", resolve_name("tinyforge.server.moving:run"))
    silent = flags.quiet or shared.json
    view = move(source, target, _ignore if silent else _Lines(out))
    if shared.json:
        return out.raw(json.encode(view))
    if not flags.quiet:
        _moved(out, view, target)
    return 0


def _ends(flags: MoveFlags, shared: Shared) -> tuple[Where, Where]:
    if flags.from_ is None and flags.to is None:
        raise CalledWrongly("tinyforge migrate needs --from or --to, or both", EXAMPLE)
    source, target = _read("--from", flags.from_, shared), _read("--to", flags.to, shared)
    if isinstance(source, Path) and isinstance(target, Path):
        raise CalledWrongly(
            "both ends are folders: a folder is copied as it is while no server has it",
            f"cp -a {source} {target}",
        )
    if isinstance(source, str) and isinstance(target, str):
        raise CalledWrongly(
            "both ends are PostgreSQL databases, which its own tools copy", "pg_dump and pg_restore"
        )
    return source, target


def _read(flag: str, text: str | None, shared: Shared) -> Where:
    """Return a data folder, or an address."""
    if text is None:
        return data_folder(os.environ, shared.data)
    if "://" not in text:
        path = Path(text).expanduser()
        return path.parent if path.name == DATABASE else path
    try:
        return read_database(text)
    except ValueError as problem:
        raise InvalidSettings((f"{flag}: {problem}",)) from None


def _ignore(_: Progress) -> None:
    return


class _Lines:
    """One line for each table; on a terminal it counts."""

    def __init__(self, out: Screen) -> None:
        self._out = out
        self._counts = sys.stderr.isatty()

    def __call__(self, progress: Progress) -> None:
        text = f"{progress.table}: {progress.done:,} of {progress.total:,}"
        is_over = progress.is_checked
        if self._counts:
            self._out.out.flush()
            self._out.err.write(f"\r\x1b[K{text}" + (", checked\n" if is_over else ""))
            self._out.err.flush()
        elif is_over:
            self._out.hint(f"{text}, checked")


def _moved(out: Screen, view: MoveView, target: Where) -> None:
    rows = sum(table.rows for table in view.tables)
    out.line(f"moved {counted(rows, 'row')} from {view.source} to {view.target}")
    out.line(f"every checksum is the same, and so are {counted(view.windows, 'window')}")
    if view.faults:
        out.line(f"{counted(view.faults, 'fault')} of the ledger came along: tinyforge verify")
    out.hint(f"{view.source} is as it was: start no server on it any more")
    if isinstance(target, Path):
        out.hint(f"next: tinyforge serve --data {shlex.quote(str(target))}")
    else:
        out.hint(f"next: TINYFORGE_DATABASE={shlex.quote(view.target)} tinyforge serve")
