"""The plain way, on the same SQLite settings: what every figure of ours is compared with.

A sweep lists all rows, reads each one's config and last fire, and where it is due writes the new
last fire in a commit of its own, then dispatches: one run row and one commit for each binding.
`python -m benchmarks.row_by_row FILE` starts, sweeps once and waits to be ended.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import msgspec

SCHEMA = """
CREATE TABLE triggers(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  config TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1, last_fired_at TEXT);
CREATE TABLE workloads(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL);
CREATE TABLE bindings(id INTEGER PRIMARY KEY, trigger_id INTEGER NOT NULL,
  workload_id INTEGER NOT NULL);
CREATE INDEX binding_of ON bindings(trigger_id);
CREATE TABLE runs(id INTEGER PRIMARY KEY, trigger_id INTEGER NOT NULL, binding_id INTEGER NOT NULL,
  workload_id INTEGER NOT NULL, state TEXT NOT NULL, queued_at TEXT NOT NULL, ended_at TEXT);
"""
LIST = """
SELECT id, name, config, last_fired_at FROM triggers WHERE kind = 'schedule' AND enabled = 1
ORDER BY id"""
STAMP = "UPDATE triggers SET last_fired_at = ? WHERE id = ?"
BOUND = """
SELECT b.id, b.workload_id FROM bindings b JOIN workloads w ON w.id = b.workload_id
WHERE b.trigger_id = ? ORDER BY b.id"""
QUEUE = """
INSERT INTO runs(trigger_id, binding_id, workload_id, state, queued_at)
VALUES (?, ?, ?, 'queued', ?)"""
QUEUED = "SELECT id FROM runs WHERE state = 'queued' ORDER BY id LIMIT ?"
BEGIN_RUN = "UPDATE runs SET state = 'running' WHERE id = ?"
END_RUN = "UPDATE runs SET state = 'succeeded', ended_at = ? WHERE id = ?"
BIND = """
INSERT INTO bindings(trigger_id, workload_id)
SELECT t.id, w.id FROM triggers t, workloads w WHERE t.name = ? AND w.name = ?"""
OLD_RUNS = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
INSERT INTO runs(trigger_id, binding_id, workload_id, state, queued_at)
SELECT i % ?2, i % ?2, i % ?3, 'succeeded', ?4 FROM n"""


def open_file(path: Path) -> apsw.Connection:
    """Open *path* as durable as our own file, with SQLite's usual checkpoints."""
    db = apsw.Connection(str(path))
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def write_file(
    path: Path, last_fired: Iterable[datetime], *, interval: int, bindings: int, history: int
) -> None:
    """Make a file with a schedule for each of *last_fired*; *interval* in seconds."""
    db = open_file(path)
    db.execute(SCHEMA)
    config = f'{{"interval":"{interval}s"}}'
    rows = [(n, f"trigger-{n}", config, at.isoformat()) for n, at in enumerate(last_fired)]
    workloads = max(len(rows) // 10, 1)
    with db:
        db.executemany(
            "INSERT INTO triggers(id, name, kind, config, last_fired_at)"
            " VALUES (?, ?, 'schedule', ?, ?)",
            rows,
        )
        db.executemany(
            "INSERT INTO workloads(id, name, kind) VALUES (?, ?, 'noop')",
            ((n, f"workload-{n}") for n in range(workloads)),
        )
        db.executemany(
            "INSERT INTO bindings(trigger_id, workload_id) VALUES (?, ?)",
            ((n, (n + k) % workloads) for n in range(len(rows)) for k in range(bindings)),
        )
        if history:
            old = datetime.now(UTC).isoformat()
            db.execute(OLD_RUNS, (history, max(len(rows), 1), workloads, old))
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.close()


def sweep(db: apsw.Connection, fired: Callable[[datetime], None] = lambda _due: None) -> int:
    """Fire what is due, one row after the other; *fired* is told when each was due."""
    now = datetime.now(UTC)
    count = 0
    rows: Sequence[tuple[Any, ...]] = db.execute(LIST).fetchall()
    for number, _name, config, last in rows:
        interval = int(msgspec.json.decode(config)["interval"].removesuffix("s"))
        due = datetime.fromisoformat(last) + timedelta(seconds=interval)
        if now < due:
            continue
        db.execute(STAMP, (now.isoformat(), number))
        for binding, workload in db.execute(BOUND, (number,)).fetchall():
            db.execute(QUEUE, (number, binding, workload, now.isoformat()))
        fired(due)
        count += 1
    return count


def write_queue(path: Path, runs: int) -> None:
    """Make a file with *runs* that are queued."""
    at = datetime.now(UTC).isoformat()
    write_file(path, (), interval=3_600, bindings=1, history=0)
    db = open_file(path)
    with db:
        db.executemany(QUEUE, ((n, n, n, at) for n in range(runs)))
    db.close()


def work(db: apsw.Connection, count: int, deploy: Callable[[], None] = lambda: None) -> None:
    """Do *count* queued runs, a commit for each change of state."""
    for (number,) in db.execute(QUEUED, (count,)).fetchall():
        db.execute(BEGIN_RUN, (number,))
        deploy()
        db.execute(END_RUN, (datetime.now(UTC).isoformat(), number))


def apply(db: apsw.Connection, manifest: Mapping[str, Any]) -> None:
    """Insert what a manifest holds, a commit for each row."""
    for name, workload in manifest["workloads"].items():
        db.execute("INSERT INTO workloads(name, kind) VALUES (?, ?)", (name, workload["kind"]))
    for name, trigger in manifest["triggers"].items():
        config = msgspec.json.encode(trigger).decode()
        db.execute(
            "INSERT INTO triggers(name, kind, config) VALUES (?, ?, ?)",
            (name, trigger["kind"], config),
        )
    for binding in manifest["bindings"]:
        db.execute(BIND, (binding["trigger"], binding["workload"]))


def fires_per_second(folder: Path, triggers: int, bindings: int, history: int) -> float:
    """Return how quickly *triggers* that are all due are fired."""
    path = folder / "row-by-row.db"
    began_at = datetime.now(UTC) - timedelta(seconds=3_620)
    write_file(
        path,
        (began_at + timedelta(seconds=20 * n / triggers) for n in range(triggers)),
        interval=3_600,
        bindings=bindings,
        history=history,
    )
    db = open_file(path)
    began = time.perf_counter()
    fired = sweep(db)
    took = time.perf_counter() - began
    db.close()
    path.unlink()
    return fired / took


def main() -> None:
    db = open_file(Path(sys.argv[1]))
    sweep(db)
    signal.pause()


if __name__ == "__main__":
    main()
