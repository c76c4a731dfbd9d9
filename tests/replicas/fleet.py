"""Several real servers on one PostgreSQL, what is done to them, and what they leave."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import asyncpg

from tests.postgres import OwnServer, execute
from tests.torture.checker import violations
from tests.torture.evidence import TABLES, Evidence, gathered
from tests.torture.load import BROKEN, Presser, World
from tests.torture.served import PATIENCE, ROOT, SERVE, Served, serving, tinyforge, wait_until

CONCURRENCY = 8
SKEWED = "tests.replicas.skewed"
REST = 180.0  # seconds for everything that was begun to end, leases of the dead included
UNDER_WAY = """
SELECT EXISTS (SELECT 1 FROM runs WHERE state IN (2, 3))
  OR EXISTS (SELECT 1 FROM events WHERE fanned_at IS NULL)"""
UNAVAILABLE = 503


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a replica is started. *url*: another way to the same database; *ahead*: its clock."""

    manifest: Path | None = None
    pressed: bool = True
    words: Sequence[str] = ("--concurrency", str(CONCURRENCY))
    crash_at: str | None = None
    url: str | None = None
    ahead: int | None = None  # seconds
    source: Path = ROOT / "src"  # another one is another version of the program


USUAL = Way()


class Life(NamedTuple):
    """A process, what ends with it, and who calls it."""

    served: Served
    serving: ExitStack
    calling: ExitStack

    def close(self) -> None:
        self.calling.close()
        self.serving.close()


@dataclass
class Fleet:
    """Replicas by number; each has a data folder of its own, for its socket alone."""

    postgres: OwnServer
    world: World
    presser: Presser = field(default_factory=Presser)
    _lives: dict[int, Life] = field(default_factory=dict)
    _count: int = 0
    _deaths: int = 0

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

    def launch(self, number: int, way: Way = USUAL) -> Served:
        """Start a replica, and wait for nothing."""
        folder = self.world.folder / f"replica-{number}"
        folder.mkdir(exist_ok=True)
        variables = {
            "TINYFORGE_DATABASE": way.url or self.url,
            "PYTHONPATH": f"{way.source}:{ROOT}",
        }
        if way.crash_at is not None:
            variables["TINYFORGE_CRASH_AT"] = way.crash_at
        words = [*way.words, *(("--config", str(way.manifest)) if way.manifest else ())]
        program = SERVE if way.ahead is None else (SKEWED, str(way.ahead))
        stack, calling = ExitStack(), ExitStack()
        served = stack.enter_context(serving(folder, words, variables, program=program))
        self._lives[number] = Life(served, stack, calling)
        if way.pressed:
            self._count += 1
            calling.enter_context(self.presser.at_work(served, seed=self._count))
        return served

    def start(self, number: int, way: Way = USUAL) -> Served:
        """Start a replica, and wait until it serves."""
        served = self.launch(number, way)
        assert served.until_ready(), served.last_words()
        return served

    def start_together(self, ways: Sequence[Way]) -> None:
        """Start replicas at the same time, and wait until each serves."""
        lives = [self.launch(number, way) for number, way in enumerate(ways)]
        for served in lives:
            assert served.until_ready(), served.last_words()

    def kill(self, number: int) -> None:
        life = self._lives.pop(number)
        life.served.kill()
        self._deaths += 1
        life.close()

    def hold_still(self, number: int) -> None:
        """Stop a replica as a machine does that stands still: others will call it dead."""
        self.lives(number).tell(signal.SIGSTOP)
        self._deaths += 1

    def go_on(self, number: int) -> None:
        self.lives(number).tell(signal.SIGCONT)

    def until_dead(self, number: int) -> None:
        """Wait until a replica has ended itself as a kill would."""
        life = self._lives.pop(number)
        assert life.served.ended() == -signal.SIGKILL, life.served.last_words()
        self._deaths += 1
        life.close()

    def end(self, number: int) -> None:
        """End a replica softly, once it serves: before that it may not have begun to listen."""
        life = self._lives.pop(number)
        assert life.served.until_ready(), life.served.last_words()
        life.served.tell(signal.SIGTERM)
        assert life.served.ended() == 0, life.served.last_words()
        life.close()

    def rest(self, number: int = 9) -> None:
        """Call no more, switch the schedules off, and wait until nothing is left to do."""
        for life in self._lives.values():
            life.calling.close()
        for other in list(self._lives):
            self.end(other)
        served = self.start(number, Way(manifest=self.world.at_rest, pressed=False))
        served.wait_until(self.is_idle, "what was begun has ended", REST)
        said = tinyforge(served.folder, "verify")
        assert said.returncode == 0, said.stdout + said.stderr
        self.end(number)

    def lives(self, number: int) -> Served:
        return self._lives[number].served

    def wait_until(self, query: str, patience: float = PATIENCE) -> None:
        """Wait until *query* is true in the database."""
        wait_until(lambda: self.one(query) is True, query, patience)

    def is_idle(self) -> bool:
        return not self.one(UNDER_WAY)

    def one(self, query: str) -> object:
        """Return the first value of a query."""
        return self.rows(query)[0][0]

    def rows(self, query: str) -> list[tuple[int, ...]]:
        async def ask() -> list[tuple[int, ...]]:
            connection = await asyncpg.connect(self.url)
            try:
                return [tuple(row) for row in await connection.fetch(query)]
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
            str(call)
            for call in self.presser.refused
            if not (was_away and call.status == UNAVAILABLE)
        ]
        return {**found, "refused": refused} if refused else found

    def evidence(self) -> Evidence:
        self.world.database.parent.mkdir(exist_ok=True)
        self.world.database.unlink(missing_ok=True)
        asyncio.run(_copied(self.url, self.world.database))
        return replace(gathered(self.world, self.presser), deaths=self._deaths)


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
            plain = [tuple(map(_plain, row)) for row in rows]
            file.executemany(f"INSERT INTO {table} VALUES ({marks})", plain)
        file.commit()
    finally:
        file.close()
        await connection.close()


def _plain(value: object) -> int | str | None:
    return value if value is None or isinstance(value, int | str) else str(value)
