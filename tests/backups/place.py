"""Data folders, backups of them, and what a second SQLite finds in both."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.moving.history import content
from tests.operations.house import HandClock, open_house
from tinyforge.clock import SECOND
from tinyforge.operations.backups import BackupView, Into, RestoreView
from tinyforge.server.backups import back_up, restore
from tinyforge.store.port.backups import Step, Tell

CANARY = "canary-Vt5s2hQ8wG4zC1nM"
SEALED = f"""
version: 1
name: sealed
triggers:
  push: {{kind: github, secret: {CANARY}}}
"""
DATABASE = "tinyforge.db"
LATER = 1_767_700_800_000_000  # 2026-01-06T12:00:00Z, a day after the history


def quietly(_: Step) -> None:
    return


async def seal_something(data: Path) -> None:
    async with open_house(data, HandClock(LATER)) as house:
        await house.apply(SEALED)


@dataclass(frozen=True)
class Folder:
    data: Path

    @property
    def database(self) -> Path:
        return self.data / DATABASE

    @property
    def key(self) -> Path:
        return self.data / "key"

    async def back_up(self, name: str = "copy.db") -> BackupView:
        return await back_up(self.data, self.data.parent / name, quietly)

    async def restore(
        self, backup: Path | str, tell: Tell = quietly, **asked: object
    ) -> RestoreView:
        return await restore(Path(backup), self.into(**asked), tell)

    def into(self, **asked: object) -> Into:
        usual: Mapping[str, object] = {
            "data": self.data,
            "database": None,
            "key_path": self.key,
            "tick_interval": 30 * SECOND,
            "actor": "local:me",
            "force": False,
            "skip_missed": False,
        }
        return Into(**{**usual, **asked})  # type: ignore[arg-type]

    def content(self) -> dict[str, list[tuple[object, ...]]]:
        return content(self.data)

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        return rows(self.database, query, *values)

    def by_hand(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database)) as other, other:
            other.execute(statement, values)


def rows(path: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """Ask a file as another program would, and its SQLite."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as other:
        return other.execute(query, values).fetchall()
