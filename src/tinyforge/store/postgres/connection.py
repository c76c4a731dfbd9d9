"""How we speak to the database: transactions that say they are ours, and whose fault a fault is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg
import msgspec

from tinyforge.clock import Micros
from tinyforge.errors import StoreUnavailable

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]  # the door at which values have no type yet
if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
    Pooled: TypeAlias = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Prepared: TypeAlias = asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]
else:  # generic for the type checker only
    Connection = asyncpg.Connection

MOST_CONNECTIONS = 8
PATIENCE = 10.0  # seconds, for a connection
SLOWEST = 30.0  # seconds, of one statement
ENDING = 1.0  # seconds, of a ROLLBACK
RETRIES = 5
# a replica that stops in the middle must not hold what it locked; all of it ends with the COMMIT
BEGIN = """
BEGIN; SET LOCAL tinyforge.own = 'on';
SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL lock_timeout = '10s'"""
BEGIN_TO_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
COLLIDED = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,  # a migration passed by
    asyncpg.OutdatedSchemaCacheError,
)
ENVIRONMENT = (  # the machine's fault, not the statement's
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server ended the session while we asked it something
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.PostgresSystemError,
    OSError,
    TimeoutError,
)
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

_encode = msgspec.json.Encoder().encode


def as_json(value: object) -> str:
    return _encode(value).decode()


def text(value: object) -> str:
    """Return *value* as JSON text, as rows travel; NUL, which no text may hold, replaced."""
    written = as_json(value)
    return NUL.sub(r"\1\\ufffd", written) if "\\u0000" in written else written


class Session:
    """One connection, for the length of one transaction."""

    def __init__(self, connection: Connection | Pooled) -> None:
        self._connection = connection

    async def ask(self, statement: str, *values: object) -> list[Row]:
        return [tuple(row) for row in await self._connection.fetch(statement, *values)]

    async def one(self, statement: str, *values: object) -> Any:
        """Return the first column of the first row; None where there is none."""
        return await self._connection.fetchval(statement, *values)

    async def run(self, script: str) -> None:
        """Execute statements that take no values."""
        await self._connection.execute(script)

    async def do(self, statement: str, *values: object) -> int:
        """Execute, and return how many rows that changed."""
        status: str = await self._connection.execute(statement, *values)
        return int(status.rsplit(" ", 1)[-1])


class Database:
    """A pool of connections. Behind a pooler, nothing is kept on them between transactions."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        monotonic: Callable[[], Micros],
        committed: Callable[[Micros], None],
        *,
        is_pooled: bool,
    ) -> None:
        self._pool, self._is_pooled = pool, is_pooled
        self._monotonic, self._committed = monotonic, committed

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, monotonic: Callable[[], Micros], committed: Callable[[Micros], None]
    ) -> AsyncIterator[Database]:
        """Connect; StoreUnavailable says where, and never with which password."""
        try:
            is_pooled = await _is_behind_pooler(url)
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=MOST_CONNECTIONS,
                statement_cache_size=0 if is_pooled else 200,
                command_timeout=SLOWEST,
                connection_class=_Plain,
            )
        except (*ENVIRONMENT, ValueError) as problem:
            raise _unavailable(problem) from problem
        try:
            yield cls(pool, monotonic, committed, is_pooled=is_pooled)
        finally:
            try:
                await asyncio.wait_for(pool.close(), PATIENCE / 5)
            except TimeoutError:
                pool.terminate()

    async def write(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Do *work* as one transaction, again where it collided with another one."""
        for _ in range(RETRIES):
            with suppress(*COLLIDED):
                began = self._monotonic()
                done = await self._once(BEGIN, work)
                self._committed(self._monotonic() - began)
                return done
        raise StoreUnavailable("transactions kept colliding; look for long ones of other programs")

    async def read(self, query: Callable[[Session], Awaitable[T]]) -> T:
        """Ask as of one moment."""
        return await self._once(BEGIN_TO_READ, query)

    async def ask(self, statement: str, *values: object) -> list[Row]:
        return await self.read(lambda session: session.ask(statement, *values))

    async def do(self, statement: str, *values: object) -> int:
        return await self.write(lambda session: session.do(statement, *values))

    async def do_alone(self, statement: str, *values: object) -> None:
        """Execute one statement with nothing around it, where nobody stands between."""
        if self._is_pooled:
            await self.do(statement, *values)
            return
        began = self._monotonic()
        try:
            await self._pool.execute(statement, *values)
        except ENVIRONMENT as problem:
            raise _unavailable(problem) from problem
        self._committed(self._monotonic() - began)

    async def _once(self, begin: str, work: Callable[[Session], Awaitable[T]]) -> T:
        try:
            async with self._pool.acquire(timeout=PATIENCE) as connection:
                await connection.execute(begin)
                try:
                    done = await work(Session(connection))
                    await connection.execute("COMMIT")
                except ENVIRONMENT:
                    with suppress(asyncpg.InterfaceError):  # it is gone already
                        connection.terminate()
                    raise
                except BaseException:
                    await _roll_back(connection)
                    raise
                return done
        except ENVIRONMENT as problem:
            raise _unavailable(problem) from problem


async def _roll_back(connection: Pooled) -> None:
    """End a transaction that came to nothing; a database that says no word holds nobody up."""
    try:
        async with asyncio.timeout(ENDING):
            await connection.execute("ROLLBACK")
    except (*ENVIRONMENT, asyncpg.PostgresError):
        with suppress(asyncpg.InterfaceError):  # it is gone already
            connection.terminate()


class _Plain(Connection):
    """A connection that leaves nothing behind, so that nothing need be reset."""

    def get_reset_query(self) -> str:
        return ""


class Line:
    """A connection beside the pool that hears what is notified, unless a pooler stands between."""

    def __init__(self, connection: Connection, *, is_pooled: bool) -> None:
        self._connection, self._is_pooled = connection, is_pooled
        self._prepared: dict[str, Prepared] = {}

    @property
    def is_closed(self) -> bool:
        return self._connection.is_closed()

    async def ask(self, statement: str, *values: object) -> Row:
        """Return the first row; the statement is its own transaction."""
        if self._is_pooled:
            async with self._connection.transaction():
                return tuple(await self._connection.fetchrow(statement, *values) or ())
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = await self._connection.prepare(statement)
        return tuple(await prepared.fetchrow(*values) or ())

    async def listen(self, channel: str, hear: Callable[[str], None]) -> None:
        """Call *hear* with what is said on *channel* of our own schema."""
        if self._is_pooled:
            return
        schema = await self._connection.fetchval("SELECT current_schema()")

        def sort_out(_line: object, _process: object, _channel: object, said: object) -> None:
            of, _, rest = str(said).rpartition(":")
            if of == schema:
                hear(rest)

        await self._connection.add_listener(channel, sort_out)

    def cut(self) -> None:
        with suppress(asyncpg.InterfaceError):  # it is gone already
            self._connection.terminate()


async def join(url: str) -> Line:
    connection = await _connect(url)
    try:
        return Line(connection, is_pooled=await _is_pooled(connection))
    except BaseException:
        connection.terminate()
        raise


async def _connect(url: str) -> Connection:
    return await asyncpg.connect(url, statement_cache_size=0, command_timeout=SLOWEST)


async def _is_behind_pooler(url: str) -> bool:
    connection = await _connect(url)
    try:
        return await _is_pooled(connection)
    finally:
        await connection.close()


async def _is_pooled(connection: Connection) -> bool:
    """Say whether somebody stands between: a pooler names another process than the one asked."""
    async with connection.transaction():
        serving = await connection.fetchval("SELECT pg_backend_pid()")
    return bool(serving != connection.get_server_pid())


def _unavailable(problem: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"PostgreSQL: {str(problem) or type(problem).__name__}")
