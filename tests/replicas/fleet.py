"""Several real servers on one PostgreSQL, what is done to them, and what they leave."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import asyncpg

from tests.postgres import OwnServer, execute
from tests.torture.checker import violations
from tests.torture.evidence import TABLES, Evidence, gathered
from tests.torture.load import BROKEN, Presser, World
from tests.torture.served import Served, serving, tinyforge, wait_until

CONCURRENCY = 8
REST = 180.0  # seconds for everything that was begun to end, leases of the dead included
UNDER_WAY = """
SELECT EXISTS (SELECT 1 FROM runs WHERE state IN (2, 3))
  OR EXISTS (SELECT 1 FROM events WHERE fanned_at IS NULL)"""
NO_WORDS: tuple[str, ...] = ()


@dataclass
class Fleet:
    """Replicas by number; each has a data folder of its own, for its socket alone."""

    postgres: OwnServer
    world: World
    presser: Presser = field(default_factory=Presser)
    _lives: dict[int, tuple[Served, ExitStack]] = field(default_factory=dict)
    _count: int = 0

    @property
    def url(self) -> str:
        return self.postgres.url

    @contextmanager
    def all_ended(self) -> Iterator[Fleet]:
        """Let no server outlive the block."""
        try:
            yield self
        finally:
            for number in list(self._lives):
                self.kill(number)

    def start(self, number: int, manifest: Path | None = None, *, pressed: bool = True) -> Served:
        """Start a replica, and wait until it serves."""
        folder = self.world.folder / f"replica-{number}"
        folder.mkdir(exist_ok=True)
        words = ["--concurrency", str(CONCURRENCY)]
        if manifest is not None:
            words += ["--config", str(manifest)]
        stack = ExitStack()
        variables = MappingProxyType({"TINYFORGE_DATABASE": self.url})
        served = stack.enter_context(serving(folder, words, variables))
        self._lives[number] = served, stack
        assert served.until_ready(), served.last_words()
        if pressed:
            self._count += 1
            stack.enter_context(self.presser.at_work(served, seed=self._count))
        return served

    def kill(self, number: int) -> None:
        served, stack = self._lives.pop(number)
        served.kill()
        stack.close()

    def end(self, number: int) -> None:
        """End a replica softly."""
        served, stack = self._lives.pop(number)
        served.tell(signal.SIGTERM)
        assert served.ended() == 0, served.last_words()
        stack.close()

    def rest(self, number: int = 9) -> None:
        """Switch the schedules off, and wait until one replica has nothing left to do."""
        for other in list(self._lives):
            self.end(other)
        served = self.start(number, self.world.at_rest, pressed=False)
        served.wait_until(self.is_idle, "what was begun has ended", REST)
        said = tinyforge(served.folder, "verify")
        assert said.returncode == 0, said.stdout + said.stderr
        self.end(number)

    def lives(self, number: int) -> Served:
        return self._lives[number][0]

    def wait_until(self, query: str) -> None:
        """Wait until *query* is true in the database."""
        wait_until(lambda: self.one(query) is True, query)

    def is_idle(self) -> bool:
        return not self.one(UNDER_WAY)

    def one(self, query: str) -> object:
        """Return the first value of a query."""

        async def ask() -> object:
            connection = await asyncpg.connect(self.url)
            try:
                found: object = await connection.fetchval(query)
                return found
            finally:
                await connection.close()

        return asyncio.run(ask())

    def put_in_by_hand(self) -> None:
        """Add a row that makes no sense, as a person with a SQL prompt may."""
        row = f"(1, '{BROKEN}', 'schedule', '{{\"interval\": \"soon\"}}')"
        statement = f"INSERT INTO triggers(id, name, kind, config) VALUES {row}"
        asyncio.run(execute(self.url, statement))

    def wait_for_effects(self, more: int) -> None:
        """Wait until commands have written that many more lines."""
        wanted = len(self.world.effects.read_text().splitlines()) + more
        wait_until(lambda: len(self.world.effects.read_text().splitlines()) >= wanted, "effects")

    def findings(self, *, was_away: bool = False) -> dict[str, list[str]]:
        """Return what the checker finds; where the database or a server *was_away*, callers may be told."""
        found = violations(self.evidence())
        refused = [
            said for said in self.presser.refused if not (was_away and said.startswith("503 "))
        ]
        return {**found, "refused": refused} if refused else found

    def evidence(self) -> Evidence:
        self.world.database.parent.mkdir(exist_ok=True)
        self.world.database.unlink(missing_ok=True)
        asyncio.run(_copied(self.url, self.world.database))
        return gathered(self.world, self.presser.acks)


async def _copied(url: str, target: Path) -> None:
    """Copy the tables that the checker reads into a file that it can read."""
    connection = await asyncpg.connect(url)
    file = sqlite3.connect(target)
    try:
        for table in TABLES:
            rows = await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")
            columns = await connection.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0"
                " AND NOT attisdropped ORDER BY attnum",
                table,
            )
            names = ", ".join(row["attname"] for row in columns)
            file.execute(f"CREATE TABLE {table} ({names})")
            marks = ", ".join("?" for _ in columns)
            file.executemany(f"INSERT INTO {table} VALUES ({marks})", [tuple(row) for row in rows])
        file.commit()
    finally:
        file.close()
        await connection.close()
