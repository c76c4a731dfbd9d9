"""How a command gets at the API: at an address, through the server's socket, or the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from pathlib import Path
from pkgutil import resolve_name
from typing import TypeAlias, cast

from tinyforge.cli.client import Api, Door, SocketDoor, not_yours
from tinyforge.cli.failure import CommandFailed, ServerDown
from tinyforge.cli.https import RemoteDoor
from tinyforge.cli.remote import TOKEN, URL, Remote, read_remote
from tinyforge.cli.screen import Screen
from tinyforge.cli.waiting import PatientDoor
from tinyforge.settings import data_folder, database_address

DATABASE = "tinyforge.db"
OpenFile: TypeAlias = Callable[[Path, bool], AbstractContextManager[Door]]


class Offline(Enum):
    """What a command may do while no server runs."""

    NOTHING = "nothing"
    READ = "read"
    WRITE = "write"


@contextmanager
def reach(screen: Screen, offline: Offline) -> Iterator[Api]:
    """Open the one way in that there is, and close it afterwards."""
    remote = read_remote(os.environ) if screen.shared.data is None else None
    if remote is not None:
        with _afar(screen, remote) as api:
            yield api
        return
    data = data_folder(os.environ, screen.shared.data)
    door = SocketDoor(data)
    try:
        door.connect()
    except ServerDown as down:
        refuse_shared(data, down)
        refuse_no_data(data, down)
        with _without_server(screen, data, down, offline) as file:
            yield Api(file, live=False)
        return
    try:
        yield Api(_patient(screen, door, lambda: "waiting for the server"), live=True)
    finally:
        door.close()


def refuse_shared(data: Path, down: ServerDown) -> None:
    """Say that a PostgreSQL is reached through a server alone."""
    if database_address(os.environ) is not None:
        raise CommandFailed(
            f"{down}, and TINYFORGE_DATABASE is reached through one alone",
            f"start one: tinyforge serve --data {data}; or ask another replica",
        ) from down


def refuse_no_data(data: Path, down: ServerDown) -> None:
    """Say what is wrong with a folder that no server ever kept its data in."""
    start = f"tinyforge serve --data {data}"
    if not data.exists():
        raise CommandFailed(
            f"there is no data folder {data}",
            f"{start} makes it; or give the right one with --data, or {URL} for a server elsewhere",
        ) from down
    if not data.is_dir():
        raise CommandFailed(f"{data} is no folder", "give the data folder with --data") from down
    database = data / DATABASE
    if not database.exists() or database.stat().st_size == 0:
        raise CommandFailed(
            f"{data} is no data folder of a server: it holds no {DATABASE}",
            f"{start} makes it one; or give the right one with --data",
        ) from down
    for path in (data, database):
        # Reading takes part in the write-ahead log, and so needs to write as well.
        if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
            raise _no_access(path) from down


def _no_access(path: Path) -> CommandFailed:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return CommandFailed(
            f"{path} lies on a file system that is mounted read-only",
            "mount it for writing, or give a copy of the folder with --data",
        )
    return not_yours(path)


@contextmanager
def _without_server(
    screen: Screen, data: Path, down: ServerDown, offline: Offline
) -> Iterator[Door]:
    if offline is Offline.NOTHING:
        raise CommandFailed(
            f"{down}, and this needs one", screen.command("tinyforge serve")
        ) from down
    # The whole server is behind this name: only a command that needs it pays for its import.
    open_file = cast("OpenFile", resolve_name("tinyforge.cli.offline:open_file"))
    writable = offline is Offline.WRITE
    if not screen.shared.json:
        screen.hint(
            "no server is running; this is written to the file, for its next start"
            if writable
            else "no server is running; this is what the file says"
        )
    with open_file(data, writable) as door:
        yield door


@contextmanager
def _afar(screen: Screen, remote: Remote) -> Iterator[Api]:
    door = RemoteDoor(remote)
    if remote.token and not remote.address.is_secret_on_the_way and not screen.shared.json:
        screen.hint(f"warning: {TOKEN} goes to {remote.address} unencrypted; give {URL} https://")
    door.connect()
    try:
        yield Api(_patient(screen, door, door.words), live=True)
    finally:
        door.close()


def _patient(screen: Screen, door: Door, says: Callable[[], str]) -> Door:
    watched = screen.err.isatty() and not screen.shared.json
    return PatientDoor(door, screen.err, says) if watched else door
