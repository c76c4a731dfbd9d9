"""The embedded store, opened and closed as a whole."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import apsw

from tinyforge.clock import Clock, Micros, Moment, utc
from tinyforge.errors import NewerSchema, StoreUnavailable
from tinyforge.store.migrate import SCHEMA, SCHEMA_MIN, Migration, migrations
from tinyforge.store.sqlite.access import AccessRows
from tinyforge.store.sqlite.config import ConfigRows
from tinyforge.store.sqlite.connection import (
    DATABASE,
    open_file_only,
    open_reader,
    open_writer,
    said_of,
    sole_owner,
)
from tinyforge.store.sqlite.endpoints import EndpointRows
from tinyforge.store.sqlite.history import HistoryRows
from tinyforge.store.sqlite.hot import HotPath
from tinyforge.store.sqlite.inbox import InboxRows
from tinyforge.store.sqlite.listing import ListingRows
from tinyforge.store.sqlite.parts import Parts, ask
from tinyforge.store.sqlite.places import PlaceRows
from tinyforge.store.sqlite.runs import RunRows
from tinyforge.store.sqlite.secrets import SecretRows
from tinyforge.store.sqlite.upkeep import UpkeepRows
from tinyforge.store.sqlite.writer import Writer

GET_SCHEMA = "SELECT name, value FROM facts WHERE name IN ('schema', 'schema_min')"
SET_SCHEMA = """
INSERT INTO facts(name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2"""
UNFIT = (
    "migration {} does not fit the tables that are there ({}); the file is as it was:"
    " take back what a hand changed of its tables, then start again"
)


class SqliteStore(
    AccessRows,
    ConfigRows,
    EndpointRows,
    HistoryRows,
    ListingRows,
    HotPath,
    InboxRows,
    RunRows,
    SecretRows,
    PlaceRows,
    UpkeepRows,
):
    """All roles of the port on one file."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        clock: Clock,
        on_commit: Callable[[int, Micros], None] = lambda _operations, _took: None,
    ) -> AsyncIterator[SqliteStore]:
        """Serve the file in *folder*, made if absent. DataInUse, NewerSchema, StoreUnavailable."""
        make_folder(folder)
        path = folder / DATABASE
        with sole_owner(folder):
            connection = open_writer(path)
            try:
                with said_of(path):
                    bring_up_to_date(connection, path, clock.now())
            except (StoreUnavailable, NewerSchema):
                connection.close()
                raise
            writer = Writer(connection, on_commit)
            parts = Parts(path, writer, open_reader(path))
            try:
                await parts.rebuild_lanes(clock.now())
                yield cls(parts)
            finally:
                await writer.close()
                parts.close()

    @classmethod
    @asynccontextmanager
    async def open_to_read(cls, folder: Path) -> AsyncIterator[SqliteStore]:
        """Read the file beside, or without, the server that serves it."""
        path = folder / DATABASE
        if not path.exists():
            raise StoreUnavailable(f"{path} does not exist; start the server, or give its --data")
        writable = os.access(folder, os.W_OK)
        near = open_reader(path) if writable else open_file_only(path)
        if not _refuse_newer(near):
            near.close()
            raise StoreUnavailable(f"{path} holds nothing yet; start the server on it once")
        parts = Parts(path, None, near)
        try:
            yield cls(parts)
        finally:
            parts.close()


def make_folder(folder: Path) -> None:
    """Have a data folder for its user alone; StoreUnavailable where that cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        reason = "is no folder" if isinstance(problem, FileExistsError) else problem.strerror
        raise StoreUnavailable(f"{folder}: {reason}; give another --data") from problem
    if not os.access(folder, os.W_OK):
        raise StoreUnavailable(f"{folder} cannot be written by this user; give another --data")


def schema_of(connection: apsw.Connection) -> tuple[int, int]:
    """Return the schema in the file and the oldest program that may serve it; 0: none yet."""
    try:
        found = dict(ask(connection, GET_SCHEMA))
    except apsw.SQLError:
        return 0, 0
    return int(found.get("schema", 0)), int(found.get("schema_min", 0))


def _refuse_newer(connection: apsw.Connection) -> int:
    schema, schema_min = schema_of(connection)
    if schema > SCHEMA and schema_min > SCHEMA:
        raise NewerSchema(schema, SCHEMA)
    return schema


def bring_up_to_date(connection: apsw.Connection, path: Path, now: Moment) -> None:
    """Apply what is missing, with a copy of the file beside it; one that fails changes nothing."""
    schema = _refuse_newer(connection)
    wanted = migrations(schema)
    copy = _copy_beside(connection, path, schema, now) if wanted and schema else None
    try:
        for migration in wanted:
            _apply(connection, migration)
    except BaseException:
        if copy is not None and schema_of(connection)[0] == schema:
            copy.unlink()  # the file itself is as it was, and each start would leave one
        raise
    if not schema:
        path.chmod(0o600)


def _apply(connection: apsw.Connection, migration: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(migration.sql)
        connection.execute(SET_SCHEMA, ("schema", migration.number))
        connection.execute(SET_SCHEMA, ("schema_min", SCHEMA_MIN))
    except BaseException as problem:
        with suppress(apsw.Error):
            connection.execute("ROLLBACK")
        if type(problem) is apsw.SQLError:
            raise StoreUnavailable(UNFIT.format(migration.name, problem)) from problem
        raise
    connection.execute("COMMIT")


def _copy_beside(connection: apsw.Connection, path: Path, schema: int, now: Moment) -> Path:
    copy = path.with_name(f"{path.name}.schema{schema}.{utc(now):%Y%m%dT%H%M%SZ}")
    connection.execute("VACUUM INTO ?", (str(copy),))
    copy.chmod(0o600)
    return copy
