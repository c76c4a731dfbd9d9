"""What a server left, read without any of its code: its file by Python's sqlite3, the effects."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from tests.torture.calls import Call
from tests.torture.load import Presser, Timed, World
from tinyforge.clock import LAST, Moment, SystemClock
from tinyforge.ids import read

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED, SUPERSEDED, INTERRUPTED = range(2, 9)
WORDS = {
    QUEUED: "queued",
    RUNNING: "running",
    SUCCEEDED: "succeeded",
    FAILED: "failed",
    CANCELLED: "cancelled",
    SUPERSEDED: "superseded",
    INTERRUPTED: "interrupted",
}


MARK = "TINYFORGE_RUN_ID"
NUMBER = "TINYFORGE_ATTEMPT"


@contextmanager
def opened(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a file to look at it only: what a server left in its log stays there."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    finally:
        connection.close()


class Effect(NamedTuple):
    """One line that a command appended; its place in the list is its place in time."""

    what: str  # start or end
    workload: str
    run: int
    attempt: int


class Decided(NamedTuple):
    """Windows with one decision. *windows* None: more than 100 of them."""

    oldest: int
    newest: int
    windows: int | None
    last_fired_at: int | None  # None: skipped


@dataclass(frozen=True)
class Evidence:
    tables: Mapping[str, Sequence[sqlite3.Row]]
    effects: Sequence[Effect]
    timed: Mapping[str, Timed] = field(default_factory=dict)
    acks: Sequence[str] = ()
    refused: Sequence[Call] = ()
    read_at: Moment = LAST  # by the machine's clock
    deaths: int | None = None  # of servers; None: nobody counted
    followed: Mapping[str, tuple[frozenset[str], frozenset[str]]] = field(default_factory=dict)

    @cached_property
    def names(self) -> dict[int, str]:
        both = (*self.tables["triggers"], *self.tables["workloads"])
        return {row["id"]: row["name"] for row in both}

    @cached_property
    def events(self) -> dict[int, sqlite3.Row]:
        return {row["id"]: row for row in self.tables["events"]}

    @cached_property
    def runs(self) -> dict[int, sqlite3.Row]:
        return {row["id"]: row for row in self.tables["runs"]}

    @cached_property
    def workloads(self) -> dict[int, sqlite3.Row]:
        return {row["id"]: row for row in self.tables["workloads"]}

    @cached_property
    def attempts(self) -> dict[int, list[sqlite3.Row]]:
        return _grouped(self.tables["attempts"], "run_id")

    @cached_property
    def fires(self) -> dict[int, list[sqlite3.Row]]:
        """Events of schedules, by trigger, in the order of their windows."""
        windowed = [row for row in self.tables["events"] if row["window_at"] is not None]
        return _grouped(sorted(windowed, key=lambda row: int(row["window_at"])), "trigger_id")

    @cached_property
    def decided(self) -> dict[int, list[Decided]]:
        """Fires with what they folded, and spans that were skipped, by trigger and in order."""
        found: defaultdict[int, list[Decided]] = defaultdict(list)
        for trigger, fires in self.fires.items():
            for row in fires:
                count = None if row["folded"] is None else row["folded"] + 1
                oldest = row["folded_from"] or row["window_at"]
                found[trigger].append(Decided(oldest, row["window_at"], count, row["last_at"]))
        for row in self.tables["spans"]:
            span = Decided(row["from_at"], row["until_at"], row["count"], None)
            found[row["trigger_id"]].append(span)
        return {trigger: sorted(rows) for trigger, rows in found.items()}

    @cached_property
    def starts(self) -> dict[tuple[int, int], int]:
        """How often each attempt has begun, in the world outside."""
        return self._counted("start")

    @cached_property
    def ends(self) -> dict[tuple[int, int], int]:
        return self._counted("end")

    def _counted(self, what: str) -> dict[tuple[int, int], int]:
        found: defaultdict[tuple[int, int], int] = defaultdict(int)
        for effect in self.effects:
            if effect.what == what:
                found[effect.run, effect.attempt] += 1
        return dict(found)


TABLES = (
    *("triggers", "workloads", "bindings", "timing", "epochs"),
    *("events", "spans", "results", "runs", "attempts", "servers"),
)


def gathered(world: World, presser: Presser | None = None) -> Evidence:
    """Read everything, as of one moment, and what callers were told."""
    told = presser or Presser()
    with opened(world.database) as file:
        file.execute("BEGIN")
        tables = {name: file.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}
    return Evidence(
        tables=tables,
        effects=read_effects(world.effects),
        timed={one.name: one for one in world.timed},
        acks=told.acks,
        refused=told.refused,
        read_at=SystemClock().now(),
        followed={row["name"]: _follows(row) for row in tables["triggers"] if row["kind"] == "run"},
    )


def read_effects(file: Path) -> list[Effect]:
    lines = [line.split() for line in file.read_text().splitlines()]
    return [Effect(what, name, read("run", run), int(n)) for what, name, run, n in lines]


def _follows(row: sqlite3.Row) -> tuple[frozenset[str], frozenset[str]]:
    """Return which workloads a trigger of kind `run` follows, and which ends."""
    config = json.loads(row["config"])
    return frozenset(config["workloads"]), frozenset(config["on"])


def _grouped(rows: Sequence[sqlite3.Row], by: str) -> dict[int, list[sqlite3.Row]]:
    found: defaultdict[int, list[sqlite3.Row]] = defaultdict(list)
    for row in rows:
        found[row[by]].append(row)
    return dict(found)


def attempts_alive() -> set[tuple[str, str]]:
    """Return the attempts of which some process is at work: run id and number, as it was told."""
    return {
        (told[MARK], told[NUMBER]) for told in _environments() if MARK in told and NUMBER in told
    }


def _environments() -> Iterator[dict[str, str]]:
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            text = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        yield dict(line.split("=", 1) for line in text.split("\0") if "=" in line)
