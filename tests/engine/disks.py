"""Disks that are damaged or have no room: by a limit on the file's pages anywhere, by a small file system for root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from tests.engine.house import House
from tinyforge.store.sqlite.connection import DATABASE

NO_ROOM = 1  # fewer than the file has: SQLite keeps what is there and adds none
PLENTY = 1_000_000


@contextmanager
def room_for_pages(house: House, pages: int) -> Iterator[None]:
    """Let the file grow to *pages*, or not at all."""
    _limit(house, pages)
    try:
        yield
    finally:
        _limit(house, PLENTY)


@contextmanager
def read_only(house: House) -> Iterator[None]:
    """Refuse every write."""
    _tell_writer(house, "PRAGMA query_only = 1")
    try:
        yield
    finally:
        _tell_writer(house, "PRAGMA query_only = 0")


def _limit(house: House, pages: int) -> None:
    _tell_writer(house, f"PRAGMA max_page_count = {pages}")


def _tell_writer(house: House, pragma: str) -> None:
    """Tell the connection that writes, which is idle now: a limit belongs to its connection."""
    connection = house.store._parts.writer._connection  # noqa: SLF001 - nobody else may write
    connection.execute(pragma).fetchall()


@contextmanager
def small_disk(where: Path, size: str = "32m") -> Iterator[Path]:
    """Mount a file system of *size*."""
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def may_mount() -> bool:
    """Whether this user may mount file systems here."""
    if os.geteuid() != 0:
        return False
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def fill(folder: Path) -> Path:
    """Take all room that is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 512, 1):
            while _wrote(file.fileno(), size):
                pass
    return ballast


def _wrote(descriptor: int, size: int) -> bool:
    try:
        return os.write(descriptor, b"x" * size) == size
    except OSError:
        return False


@contextmanager
def damaged(folder: Path, index: str) -> Iterator[None]:
    """Overwrite the root page of an index, and put it back."""
    path = folder / DATABASE
    with apsw.Connection(str(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        ((page, size),) = db.execute(
            "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = ?",
            (index,),
        ).fetchall()
    db.close()
    where = (page - 1) * size
    whole = path.read_bytes()
    path.write_bytes(whole[:where] + b"\xff" * size + whole[where + size :])
    try:
        yield
    finally:
        after = path.read_bytes()
        path.write_bytes(after[:where] + whole[where : where + size] + after[where + size :])
