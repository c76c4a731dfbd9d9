"""Moving out of a PostgreSQL, and into an empty one: one transaction, so all of it or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from tinyforge.clock import Clock
from tinyforge.errors import NewerSchema, Refused, StoreUnavailable
from tinyforge.ids import Ids
from tinyforge.store.port.moving import MOVED, OWN_FACTS, Cells, Ledger, Marks, Moved
from tinyforge.store.postgres.connection import ENVIRONMENT, Connection, Database, Session
from tinyforge.store.postgres.migrate import SCHEMA, bring_up_to_date, schema_of
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.registry import HIGHEST
from tinyforge.store.postgres.standins import Fitting, PutBack, StandIn
from tinyforge.store.postgres.store import PostgresStore

T = TypeVar("T")
PATIENCE = 5.0  # seconds, for a connection to end
# Nobody registers as long as we hold this, and nobody's lease is renewed.
HOLD = """
BEGIN ISOLATION LEVEL {level}; SET LOCAL lock_timeout = '5s'; SET LOCAL tinyforge.own = 'on';
LOCK TABLE servers IN SHARE ROW EXCLUSIVE MODE"""
SERVING = """
SELECT count(*), string_agg(DISTINCT version, ', ') FROM servers
WHERE lease_until > clock_timestamp()"""
COLUMNS = """
SELECT c.relname, a.attname, t.typname FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
ORDER BY c.relname, a.attnum"""
SECRET = frozenset({"password", "sslpassword"})
TYPES = {"int8": "bigint", "int4": "integer", "int2": "smallint"}
GET_MARKS = "SELECT name, value FROM marks"
PUT_MARKS = "UPDATE marks SET value = $2 WHERE name = $1"
STAND_IN = ("of_table", "row_key", "of_column", "given", "kind", "original")
STAND_INS = f"SELECT {', '.join(STAND_IN)} FROM stand_ins WHERE of_table = $1"  # noqa: S608 - our own columns
NUMBERED = ("specs", "run_log")  # the database gives these their ids
GO_ON = """
SELECT setval(pg_get_serial_sequence('{0}', 'id'), greatest(max(id), 1)) FROM {0}"""
ASKED = "SELECT count(*) FROM cancels c JOIN runs r ON r.id = c.run_id AND r.state IN (2, 3)"
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
HAS_AUDIT = "SELECT to_regclass('audit') IS NOT NULL"
AUDIT = "SELECT id, at, actor, action, target, before, after, source FROM audit ORDER BY id"
# The audit lets nothing go; whoever replaces the database takes its entries along.
CLEAR = f"""
ALTER TABLE audit DISABLE TRIGGER append_only;
TRUNCATE {", ".join(table.name for table in MOVED if table.name != "facts")}, stand_ins, cancels;
ALTER TABLE audit ENABLE ALWAYS TRIGGER append_only;
DELETE FROM facts WHERE name NOT IN {OWN_FACTS!r}"""  # noqa: S608 - our own tables
NOT_OURS = f"WHERE name NOT IN {OWN_FACTS!r}"


class _OneTransaction(Database):
    """Reads within the transaction of one connection, whose work nobody else sees yet."""

    def __init__(self, connection: Connection) -> None:
        self._session = Session(connection)

    async def read(self, query: Callable[[Session], Awaitable[T]]) -> T:
        return await query(self._session)


class PostgresSide:
    """A database that is read, as of one moment."""

    def __init__(self, url: str, connection: Connection, clock: Clock) -> None:
        self.name = without_password(url)
        self._connection, self._clock = connection, clock
        self._session = Session(connection)
        self._known: dict[str, dict[str, str]] = {}

    async def columns(self) -> Mapping[str, Sequence[str]]:
        return {table: list(kinds) for table, kinds in (await self._kinds()).items()}

    async def count(self, table: Moved) -> int:
        return int(await self._session.one(f"SELECT count(*) FROM {_from(table)}"))  # noqa: S608 - our own tables

    async def rows(self, table: Moved, columns: Sequence[str]) -> AsyncIterator[list[Cells]]:
        kinds = (await self._kinds())[table.name]
        key = ", ".join(f'{k} COLLATE "C"' if kinds[k] == "text" else k for k in table.key)
        kept = [StandIn._make(row) for row in await self._session.ask(STAND_INS, table.name)]
        original = PutBack(table, columns, kept)
        query = f"SELECT {', '.join(columns)} FROM {_from(table)} ORDER BY {key}"  # noqa: S608 - our own columns
        with _said():
            cursor = await self._connection.cursor(query)
            while batch := await cursor.fetch(table.batch):
                yield original.rows([tuple(row) for row in batch])

    async def marks(self) -> Marks:
        found: dict[str, int] = dict(await self._session.ask(GET_MARKS))
        highest = await self._session.one(f"SELECT coalesce(max(id), 0) FROM ({HIGHEST}) ids")  # noqa: S608 - our own query
        return Marks(
            generation=found["generation"],
            high_water=found["high_water"],
            last_id=max(found["last_id"], highest),
        )

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[Ledger]:
        database = _OneTransaction(self._connection)
        yield PostgresStore(Parts(database, Ids(), 0, 0, self._clock.monotonic))

    async def _kinds(self) -> dict[str, dict[str, str]]:
        """Return the type of each column, by table."""
        if not self._known:
            for table, column, kind in await self._session.ask(COLUMNS):
                self._known.setdefault(table, {})[column] = TYPES.get(kind) or kind
        return self._known


class PostgresTarget(PostgresSide):
    async def put(self, table: Moved, columns: Sequence[str], rows: list[Cells]) -> None:
        kinds = (await self._kinds())[table.name]
        fitted, gone = Fitting(table, columns, kinds).fit(rows)
        await self._copy(table.name, columns, fitted)
        await self._copy("stand_ins", STAND_IN, gone)

    async def _copy(self, table: str, columns: Sequence[str], rows: Sequence[Cells]) -> None:
        if rows:
            with _said():
                await self._connection.copy_records_to_table(
                    table, records=rows, columns=list(columns)
                )

    async def end(self, marks: Marks) -> None:
        values = {"generation": marks.generation, "high_water": marks.high_water}
        with _said():
            for name, value in {**values, "last_id": marks.last_id}.items():
                await self._session.do(PUT_MARKS, name, value)
            for table in NUMBERED:
                await self._session.ask(GO_ON.format(table))
            await self._session.run("ANALYZE")

    async def keep(self) -> None:
        with _said():
            await self._session.run("COMMIT")


@asynccontextmanager
async def open_source(url: str, clock: Clock) -> AsyncIterator[PostgresSide]:
    """Hold the database; Refused where replicas serve it, or it is of another schema."""
    async with _connected(url) as connection:
        side = PostgresSide(url, connection, clock)
        session = Session(connection)
        with _said():
            schema, _ = await schema_of(session)
        _refuse_other_schema(side.name, schema)
        await _hold(session, side.name, "REPEATABLE READ")
        with _said():
            asked = await session.one(ASKED)
        if asked:
            raise Refused(
                f"{asked} runs in {side.name} are to be cancelled, which a file does not keep",
                "start one server on it until they are over, and stop it",
            )
        yield side


@asynccontextmanager
async def open_snapshot(url: str, clock: Clock) -> AsyncIterator[PostgresSide]:
    """Read the database as of one moment, whoever serves it meanwhile."""
    async with _connected(url) as connection:
        session = Session(connection)
        with _said():
            await session.run(SNAPSHOT)
            schema, _ = await schema_of(session)
        _refuse_other_schema(without_password(url), schema)
        yield PostgresSide(url, connection, clock)


async def audit_of(url: str) -> list[Sequence[object]]:
    """Return the audit of the database; none of a new one."""
    async with _connected(url) as connection:
        session = Session(connection)
        with _said():
            if not await session.one(HAS_AUDIT):
                return []
            return list(await session.ask(AUDIT))


@asynccontextmanager
async def open_target(
    url: str, clock: Clock, *, replace: bool = False
) -> AsyncIterator[PostgresTarget]:
    """Make the database ours until all of it is kept; Refused where there is content already.

    To *replace* that, it goes in the same transaction in which the new one comes.
    """
    async with _connected(url) as connection:
        target = PostgresTarget(url, connection, clock)
        session = Session(connection)
        with _said():
            is_new = (await schema_of(session))[0] == 0
        if not is_new:  # looked at before anything is changed there
            await _hold(session, target.name, "READ COMMITTED")
            if not replace:
                await _refuse_content(target)
            with _said():
                await session.run("ROLLBACK")
        async with Database.open(url, clock.monotonic, lambda _took: None) as database:
            await bring_up_to_date(database, lambda _step: None)
        await _hold(session, target.name, "READ COMMITTED")
        if replace:
            with _said():
                await session.run(CLEAR)
        await _refuse_content(target)
        yield target


def _refuse_other_schema(name: str, schema: int) -> None:
    if schema > SCHEMA:
        raise NewerSchema(schema, SCHEMA)
    if schema < SCHEMA:
        raise Refused(
            f"{name} has schema {schema}, and {SCHEMA} is what is moved",
            "start and stop this program's server on it once",
        )


async def _hold(session: Session, name: str, level: str) -> None:
    try:
        with _said():
            await session.run(HOLD.format(level=level))
            ((count, versions),) = await session.ask(SERVING)
    except asyncpg.LockNotAvailableError:
        count, versions = 1, "that starts or ends just now"
    if count:
        raise Refused(
            f"{count} servers of version {versions} serve {name}",
            "stop them, and begin again; one that was killed counts for 15 seconds",
        )


async def _refuse_content(target: PostgresTarget) -> None:
    with _said():
        for table in MOVED:
            if count := await target.count(table):
                raise Refused(
                    f"{target.name} is not empty: it has {count:,} rows in {table.name}",
                    "give an empty database: createdb NAME",
                )


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    """Connect, without a limit of time: a million rows take what they take."""
    with _said():
        connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        yield connection
    finally:
        try:
            await connection.close(timeout=PATIENCE)  # what was not committed is forgotten
        except (*ENVIRONMENT, asyncpg.PostgresError):
            connection.terminate()


@contextmanager
def _said() -> Iterator[None]:
    """Turn what the database refuses into StoreUnavailable; who waits for a lock is told apart."""
    try:
        yield
    except asyncpg.LockNotAvailableError:
        raise
    except (*ENVIRONMENT, asyncpg.PostgresError, ValueError) as problem:
        raise StoreUnavailable(f"PostgreSQL: {str(problem) or type(problem).__name__}") from problem


def _from(table: Moved) -> str:
    return f"{table.name} {NOT_OURS}" if table.name == "facts" else table.name


def without_password(url: str) -> str:
    """Return *url* as it may be shown."""
    parts = urlsplit(url)
    at = parts.netloc.rpartition("@")
    user = f"{at[0].partition(':')[0]}@" if at[0] else ""
    rest = [(name, value) for name, value in parse_qsl(parts.query) if name not in SECRET]
    return parts._replace(netloc=user + at[2], query=urlencode(rest, safe="/,")).geturl()
