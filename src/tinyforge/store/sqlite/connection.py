"""How we open the file. Our own connections switch SQL triggers off: those watch other programs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import apsw

from tinyforge.errors import DataInUse, StoreUnavailable

DATABASE = "tinyforge.db"
LOCK = "tinyforge.lock"
BUSY_TIMEOUT_MS = 5_000
CACHE_KIB = 32 * 1024
MAPPED = 2**31  # bytes: a reader forgets its cache at each commit of the writer
ENVIRONMENT = (  # the machine's fault, not the statement's
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.CorruptError,
    apsw.CantOpenError,
    apsw.NoMemError,
    apsw.NotADBError,
)

REPAIRS: Mapping[type[apsw.Error], str] = {
    apsw.FullError: "make room on its disk",
    apsw.NotADBError: "give another --data, or put a copy back in its place",
    apsw.CorruptError: "put a copy back in its place",
    apsw.ReadOnlyError: "let this user write it, and the folder around it",
    apsw.CantOpenError: "let this user read and write it, and the folder around it",
}


@contextmanager
def said_of(path: Path) -> Iterator[None]:
    """Turn what the machine refuses to do with a file into StoreUnavailable, with the repair."""
    try:
        yield
    except ENVIRONMENT as problem:
        repair = REPAIRS.get(type(problem), "look at its disk")
        raise StoreUnavailable(f"{path}: {problem}; {repair}") from problem


def open_writer(path: Path) -> apsw.Connection:
    """Open the file to write, durable at each commit."""
    connection = _open(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    with said_of(path):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # another connection does it
    connection.authorizer = _append_only
    return connection


def _append_only(action: int, table: str | None, *_: str | None) -> int:
    """Keep the audit from ourselves: SQL triggers, which keep it from others, are off here."""
    changes = action in (apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE)
    return apsw.SQLITE_DENY if changes and table == "audit" else apsw.SQLITE_OK


def open_reader(path: Path) -> apsw.Connection:
    connection = _open(path, apsw.SQLITE_OPEN_READWRITE)
    connection.execute("PRAGMA query_only = 1")
    connection.execute(f"PRAGMA mmap_size = {MAPPED}")
    return connection


def open_checkpointer(path: Path) -> apsw.Connection:
    connection = _open(path, apsw.SQLITE_OPEN_READWRITE)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def open_file_only(path: Path) -> apsw.Connection:
    """Open a file of which not even the folder can be written."""
    return _open(path, apsw.SQLITE_OPEN_READONLY)


def _open(path: Path, flags: int) -> apsw.Connection:
    with said_of(path):
        connection = apsw.Connection(str(path), flags=flags, statementcachesize=200)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection


@contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Hold the lock of a data folder; DataInUse if another process does, or StoreUnavailable."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        reason = f"{folder / LOCK}: {problem.strerror}; run it as the user who owns the folder"
        raise StoreUnavailable(reason) from problem
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataInUse(str(folder)) from None
        yield
    finally:
        os.close(handle)
