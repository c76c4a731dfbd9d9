"""APScheduler 3, where it is installed (extra `bench`): jobs that are all due, until each ran."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

from benchmarks.figures import Baseline

JOB = "benchmarks.apscheduler3:nothing"
PATIENCE = 600  # seconds
MORE_IN_MEMORY = 10  # times as many jobs, where each costs little


def nothing() -> None:
    """Cost nothing."""


def fires_per_second(folder: Path, jobs: int) -> list[Baseline]:
    """Return what it fires in memory, which is not durable, and on SQLite, which is."""
    if find_spec("apscheduler") is None:
        return []
    logging.disable(logging.WARNING)  # it warns of every job that it finds late
    try:
        value = _fires(MORE_IN_MEMORY * jobs, _in_memory)
        found = [Baseline(name="APScheduler 3, in memory", value=value)]
        if find_spec("sqlalchemy") is not None:
            path = folder / "apscheduler.db"
            value = _fires(jobs, lambda: _on_sqlite(path))
            found.insert(0, Baseline(name="APScheduler 3, SQLite", value=value))
            path.unlink()
    finally:
        logging.disable(logging.NOTSET)
    return found


def _fires(jobs: int, store: Callable[[], Any]) -> float:
    background = import_module("apscheduler.schedulers.background")
    scheduler = background.BackgroundScheduler(jobstores={"default": store()}, timezone=UTC)
    scheduler.start(paused=True)
    due = datetime.now(UTC) - timedelta(seconds=20)
    for number in range(jobs):
        scheduler.add_job(
            JOB,
            "interval",
            hours=1,
            id=str(number),
            next_run_time=due,
            misfire_grace_time=None,
        )
    count, done = 0, Event()

    def executed(_event: object) -> None:
        nonlocal count
        count += 1
        if count == jobs:
            done.set()

    scheduler.add_listener(executed, import_module("apscheduler.events").EVENT_JOB_EXECUTED)
    began = time.perf_counter()
    scheduler.resume()
    if not done.wait(PATIENCE):
        raise TimeoutError(f"APScheduler ran {count} of {jobs} jobs in {PATIENCE} s")
    took = time.perf_counter() - began
    scheduler.shutdown()
    return jobs / took


def _in_memory() -> Any:
    return import_module("apscheduler.jobstores.memory").MemoryJobStore()


def _on_sqlite(path: Path) -> Any:
    """Return a store as durable as ours."""
    sqlalchemy = import_module("sqlalchemy")
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")

    def durable(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    sqlalchemy.event.listen(engine, "connect", durable)
    return import_module("apscheduler.jobstores.sqlalchemy").SQLAlchemyJobStore(engine=engine)
