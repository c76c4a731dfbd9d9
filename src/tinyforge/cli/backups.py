"""What `backup` and `restore` do: everything into one file, and a database from it."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, TypeAlias, cast

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.failure import CommandFailed
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.remote import URL
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.text import counted
from tinyforge.clock import SystemClock, utc
from tinyforge.operations.backups import BackupView, Into, RestoreView
from tinyforge.settings import Settings, read_settings
from tinyforge.store.port.backups import Step, Tell

FOLDER = "backups"  # in the data folder
PERCENT = 100
BacksUp: TypeAlias = Callable[[Path | str, Path, Tell], BackupView]
Restores: TypeAlias = Callable[[Path, Into, Tell], RestoreView]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RestoreFlags:
    force: Annotated[
        bool, Parameter(help="Replace the database that is there; it is kept beside.")
    ] = False
    skip_missed: Annotated[
        bool, Parameter(help="Skip all windows that passed since; else the newest may catch up.")
    ] = False


def backup(
    *,
    to: Annotated[
        str | None,
        Parameter(
            help="A folder that is there, or a new file. [default: backups in the data folder]"
        ),
    ] = None,
    shared: Shared = DEFAULT,
) -> int:
    out, settings = screen(shared), _settings(shared, "backup")
    file = _file(to, settings)
    # The whole server is behind this name, and a mistake in the words is said before its import.
    back_up = cast("BacksUp", resolve_name("tinyforge.server.backups:run_backup"))
    view = back_up(settings.database or settings.data, file, _progress(out))
    if shared.json:
        return out.raw(json.encode(view))
    out.line(f"{view.file}: {view.bytes:,} bytes, what {view.source} was at {out.when(view.at)}")
    if view.keys:
        out.hint(f"what is sealed in it opens with the key {', '.join(view.keys)} alone, which is")
        out.hint(f"not in it: keep a copy of {settings.key_path}, and not beside the backup")
    out.next(view.next_command)
    return 0


def restore(
    file: Annotated[str, Parameter(help="What tinyforge backup wrote.")],
    /,
    *,
    flags: RestoreFlags = RestoreFlags(),
    shared: Shared = DEFAULT,
) -> int:
    out, settings = screen(shared), _settings(shared, "restore")
    into = Into(
        data=settings.data,
        database=settings.database,
        key_path=settings.key_path,
        tick_interval=settings.tick_interval,
        actor=f"local:{getpass.getuser()}",
        force=flags.force,
        skip_missed=flags.skip_missed,
    )
    make = cast("Restores", resolve_name("tinyforge.server.backups:run_restore"))
    view = make(Path(file).expanduser(), into, _progress(out))
    if shared.json:
        return out.raw(json.encode(view))
    _restored(out, view)
    return 0


def _restored(out: Screen, view: RestoreView) -> None:
    made = f" of {out.when(view.made_at)}" if view.made_at else ""
    out.line(f"{view.target} is what {view.file}{made} says")
    if view.runs:
        out.line(f"interrupted, for it was under way: {counted(view.runs, 'run')}")
    if view.events:
        out.line(f"deploys nothing, for it was not decided yet: {counted(view.events, 'event')}")
    if view.skipped:
        out.line(f"missed windows are skipped: {counted(view.skipped, 'schedule')}")
    if view.kept:
        out.hint(f"what was there before is kept as {view.kept}")
    out.hint("tokens and secrets are as they were then: tinyforge token list")
    out.next(view.next_command)


def _settings(shared: Shared, command: str) -> Settings:
    """Read where everything lies, as the server does; CommandFailed where that is elsewhere."""
    if shared.data is None and os.environ.get(URL):
        raise CommandFailed(
            f"tinyforge {command} works where the server's data lies, not from afar",
            f"run it there, without {URL}",
        )
    return read_settings(os.environ, {"data": shared.data})


def _file(to: str | None, settings: Settings) -> Path:
    name = f"tinyforge-{utc(SystemClock().now()):%Y%m%dT%H%M%SZ}.db"
    if to is None:
        return settings.data / FOLDER / name
    path = Path(to).expanduser()
    return path / name if path.is_dir() else path


def _progress(out: Screen) -> Tell:
    """Count on a terminal; say nothing elsewhere."""
    if out.shared.json or not sys.stderr.isatty():
        return lambda _step: None
    return _Bar(out)


class _Bar:
    def __init__(self, out: Screen) -> None:
        self._out = out

    def __call__(self, step: Step) -> None:
        is_over = step.done >= step.total
        done = f": {step.done * PERCENT // step.total} %" if step.total else ""
        self._out.out.flush()
        self._out.err.write(f"\r\x1b[K{step.name}{done}" + ("\n" if is_over else ""))
        self._out.err.flush()
