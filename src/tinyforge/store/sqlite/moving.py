"""Moving out of a file, and into a new one, which takes its name only once it is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import apsw

from tinyforge.clock import Moment
from tinyforge.errors import DataInUse, NewerSchema, Refused
from tinyforge.store.migrate import SCHEMA
from tinyforge.store.port.moving import (
    MOVED,
    OWN_FACTS,
    Cell,
    Cells,
    Ledger,
    Marks,
    Moved,
    Unreadable,
)
from tinyforge.store.sqlite.connection import (
    DATABASE,
    open_reader,
    open_writer,
    said_of,
    sole_owner,
)
from tinyforge.store.sqlite.parts import ask, highest_id
from tinyforge.store.sqlite.store import (
    SET_SCHEMA,
    SqliteStore,
    bring_up_to_date,
    make_folder,
    schema_of,
)

UNFINISHED = "tinyforge.moving"  # a folder beside the file; what a killed move leaves is in it
COLUMNS = """
SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid"""
GET_MARKS = "SELECT name, value FROM facts WHERE name IN ('generation', 'high_water')"
SERVED = """
INSERT INTO servers(replica, instance, version, started_at, seen_at, stopped_at)
VALUES (0, ?1, 'moved here', ?2, ?2, ?2)"""
NOT_OURS = f"name NOT IN {OWN_FACTS!r}"


class SqliteSide:
    """A file that is read."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.name = str(path)
        self._path = path
        self._connection = connection

    async def columns(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        with said_of(self._path):
            for table, column in ask(self._connection, COLUMNS):
                found.setdefault(table, []).append(column)
        return found

    async def count(self, table: Moved) -> int:
        with said_of(self._path):
            return _count(self._connection, table)

    async def rows(self, table: Moved, columns: Sequence[str]) -> AsyncIterator[list[Cells]]:
        keys = [list(columns).index(name) for name in table.key]
        last: Cells | None = None
        while batch := self._batch(
            table, columns, None if last is None else [last[k] for k in keys]
        ):
            yield batch
            last = batch[-1]

    def _batch(self, table: Moved, columns: Sequence[str], after: Cells | None) -> list[Cells]:
        """Return the rows that follow; text that is no UTF-8 makes us look at each cell."""
        names = ", ".join(table.key)
        marks = ", ".join("?" for _ in table.key)
        beyond = "" if after is None else f"({names}) > ({marks})"
        where = " AND ".join(filter(None, (beyond, NOT_OURS if table.name == "facts" else "")))
        rest = f"FROM {table.name} {f'WHERE {where}' if where else ''} ORDER BY {names}"
        rest += f" LIMIT {table.batch}"
        values = tuple(after or ())
        with said_of(self._path):
            try:
                return list(ask(self._connection, f"SELECT {', '.join(columns)} {rest}", values))
            except UnicodeDecodeError:
                found = ask(self._connection, f"SELECT {_in_bytes(columns)} {rest}", values)
                return [_readable(row) for row in found]

    async def marks(self) -> Marks:
        found = dict(ask(self._connection, GET_MARKS))
        return Marks(
            generation=int(found.get("generation", 0)),
            high_water=int(found.get("high_water", 0)),
            last_id=highest_id(self._connection),
        )

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[Ledger]:
        async with SqliteStore.open_to_read(self._path.parent) as store:
            yield store


class SqliteTarget(SqliteSide):
    """A file in a folder of its own until it is kept; one transaction until all is in it."""

    def __init__(self, folder: Path, connection: apsw.Connection, now: Moment) -> None:
        super().__init__(folder / UNFINISHED / DATABASE, connection)
        self.name = str(folder / DATABASE)
        self._folder, self._now = folder, now
        connection.execute("BEGIN")

    async def put(self, table: Moved, columns: Sequence[str], rows: list[Cells]) -> None:
        into = f"INSERT INTO {table.name}({', '.join(columns)}) VALUES"
        with said_of(self._path):
            if not any(isinstance(cell, Unreadable) for row in rows for cell in row):
                marks = ", ".join("?" for _ in columns)
                self._connection.executemany(f"{into} ({marks})", rows)
                return
            for row in rows:
                self._put_odd(into, row)

    def _put_odd(self, into: str, row: Cells) -> None:
        """Write text that is no UTF-8 by way of its bytes, for no string can hold it."""
        marks = ["CAST(? AS TEXT)" if isinstance(cell, Unreadable) else "?" for cell in row]
        values = [cell.text if isinstance(cell, Unreadable) else cell for cell in row]
        self._connection.execute(f"{into} ({', '.join(marks)})", values)

    async def end(self, marks: Marks) -> None:
        with said_of(self._path):
            for name, value in (("generation", marks.generation), ("high_water", marks.high_water)):
                self._connection.execute(SET_SCHEMA, (name, value))
            self._connection.execute(SERVED, (marks.last_id, self._now))
            self._connection.execute("COMMIT")

    async def keep(self) -> None:
        self._connection.close()
        path = self._folder / DATABASE
        for end in ("", "-wal", "-shm"):  # an empty file's log beside ours would ruin ours
            path.with_name(DATABASE + end).unlink(missing_ok=True)
        _flush(self._path)
        self._path.rename(path)
        _flush(self._folder)


@contextmanager
def open_source(folder: Path) -> Iterator[SqliteSide]:
    """Hold the file in *folder*; Refused where a server has it, or it is of another schema."""
    path = folder / DATABASE
    if not path.exists():
        raise Refused(f"there is no {path}", "give the data folder of a server")
    with _held(folder), closing(open_reader(path)) as connection:
        with said_of(path):
            schema, _ = schema_of(connection)
        if schema > SCHEMA:
            raise NewerSchema(schema, SCHEMA)
        if schema < SCHEMA:
            raise Refused(
                f"{path} has schema {schema}, and {SCHEMA} is what is moved",
                f"start and stop this program's server on it once: tinyforge serve --data {folder}",
            )
        yield SqliteSide(path, connection)


@contextmanager
def open_target(folder: Path, now: Moment) -> Iterator[SqliteTarget]:
    """Make a file that is *folder*'s once it is kept; Refused where there is content already."""
    make_folder(folder)
    with _held(folder):
        _refuse_content(folder)
        built = folder / UNFINISHED
        shutil.rmtree(built, ignore_errors=True)  # what a move left that was killed
        make_folder(built)
        try:
            with closing(open_writer(built / DATABASE)) as connection:
                with said_of(built / DATABASE):
                    connection.execute("PRAGMA journal_mode = OFF")
                    connection.execute("PRAGMA synchronous = OFF")  # it is flushed when it is kept
                    bring_up_to_date(connection, built / DATABASE, now)
                yield SqliteTarget(folder, connection, now)
        finally:
            shutil.rmtree(built, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    try:
        with sole_owner(folder):
            yield
    except DataInUse as problem:
        raise Refused(
            f"a server has {folder}", "stop it, and begin again: systemctl stop tinyforge"
        ) from problem


def _refuse_content(folder: Path) -> None:
    path = folder / DATABASE
    if not path.exists():
        return
    with closing(open_reader(path)) as connection, said_of(path):
        there = {row[0] for row in ask(connection, COLUMNS)}
        for table in MOVED:
            if table.name in there and (count := _count(connection, table)):
                raise Refused(
                    f"{path} is not empty: it has {count:,} rows in {table.name}",
                    "give a folder without a database, or move the file away first",
                )


def _count(connection: apsw.Connection, table: Moved) -> int:
    where = f"WHERE {NOT_OURS}" if table.name == "facts" else ""
    return int(ask(connection, f"SELECT count(*) FROM {table.name} {where}")[0][0])  # noqa: S608 - our own tables


def _in_bytes(columns: Sequence[str]) -> str:
    """Return a select list of whether each column holds text, and the column with text as bytes."""
    one = "typeof({0}) = 'text', CASE typeof({0}) WHEN 'text' THEN CAST({0} AS BLOB) ELSE {0} END"
    return ", ".join(one.format(column) for column in columns)


def _readable(row: Sequence[object]) -> Cells:
    return [_cell(is_text, value) for is_text, value in zip(row[::2], row[1::2], strict=True)]


def _cell(is_text: object, value: object) -> Cell:
    if is_text and isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return Unreadable(value)
    assert value is None or isinstance(value, int | float | bytes)  # noqa: S101 - narrows
    return value


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
