"""Others that queue in PostgreSQL, where they are installed (extra `bench`): jobs that are all due.

Each has its jobs in the database before the clock starts, works them in one process, and has the
end of each stored when the clock stops, as our runs have. A job does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import asyncpg

from benchmarks.figures import Baseline
from benchmarks.postgres import Postgres

AT_ONCE = 64
ENQUEUED_TOGETHER = 1_000
PATIENCE = 60.0  # seconds
DBOS_SHARE = 10  # of the jobs: each is several commits there
PROCRASTINATE_DONE = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
PGQUEUER_LEFT = "SELECT count(*) FROM pgqueuer"
DBOS_DONE = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"


async def runs_per_second(server: Postgres, jobs: int) -> list[Baseline]:
    """Return what each runs of *jobs* that are due."""
    logging.disable(logging.ERROR)
    ways: dict[str, tuple[int, Callable[[str, int], Awaitable[float]]]] = {
        "pgqueuer": (jobs, _pgqueuer),
        "procrastinate": (jobs, _procrastinate),
        "dbos": (max(jobs // DBOS_SHARE, 1), _dbos),
    }
    found = []
    try:
        for name, (count, way) in ways.items():
            if find_spec(name) is None:
                continue
            url = await server.database()
            took = await asyncio.wait_for(way(url, count), PATIENCE)
            found.append(Baseline(name=name, value=count / took))
            await server.drop(url)
    finally:
        logging.disable(logging.NOTSET)
    return found


async def _procrastinate(url: str, jobs: int) -> float:
    procrastinate = import_module("procrastinate")
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))

    @app.task(name="nothing")
    async def nothing() -> None:
        return

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        due = nothing.configure(schedule_at=datetime.now(UTC) - timedelta(seconds=20))
        for start in range(0, jobs, ENQUEUED_TOGETHER):
            count = min(ENQUEUED_TOGETHER, jobs - start)
            await due.batch_defer_async(*({} for _ in range(count)))
        working = app.run_worker_async(concurrency=AT_ONCE, install_signal_handlers=False)
        return await _timed(working, url, PROCRASTINATE_DONE, jobs)


async def _pgqueuer(url: str, jobs: int) -> float:
    pgqueuer, types = import_module("pgqueuer"), import_module("pgqueuer.types")
    connection = await asyncpg.connect(url)
    try:
        driver = pgqueuer.AsyncpgDriver(connection)
        queries, worker = pgqueuer.Queries(driver), pgqueuer.PgQueuer(driver)
        await queries.install()

        @worker.entrypoint("nothing")
        async def nothing(_job: Any) -> None:
            return

        for start in range(0, jobs, ENQUEUED_TOGETHER):
            count = min(ENQUEUED_TOGETHER, jobs - start)
            await queries.enqueue(["nothing"] * count, [None] * count, [0] * count)
        working = worker.run(batch_size=AT_ONCE, mode=types.QueueExecutionMode.drain)
        return await _timed(working, url, PGQUEUER_LEFT, 0)
    finally:
        await connection.close()


async def _dbos(url: str, jobs: int) -> float:
    await asyncio.to_thread(_fill_dbos, url, jobs)
    began = time.perf_counter()
    await asyncio.to_thread(_launched_dbos, url)
    try:
        await _until(url, DBOS_DONE, jobs)
        return time.perf_counter() - began
    finally:
        await asyncio.to_thread(import_module("dbos").DBOS.destroy)


def _launched_dbos(url: str) -> None:
    dbos = import_module("dbos")
    dbos.DBOS(config={"name": "benchmark", "system_database_url": url, "log_level": "CRITICAL"})

    @dbos.DBOS.workflow(name="nothing")
    def nothing() -> None:
        return

    dbos.DBOS.launch()
    dbos.DBOS.register_queue("due", polling_interval_sec=0.01)


def _fill_dbos(url: str, jobs: int) -> None:
    """Put the jobs in while nobody works: a first launch only lays out the tables."""
    dbos = import_module("dbos")
    _launched_dbos(url)
    dbos.DBOS.destroy(destroy_registry=True)
    client = dbos.DBOSClient(system_database_url=url, application_name="benchmark")
    for _ in range(jobs):
        client.enqueue({"queue_name": "due", "workflow_name": "nothing"})
    client.destroy()


async def _timed(working: Awaitable[object], url: str, query: str, wanted: int) -> float:
    """Return seconds of work until *query*, on another connection, says *wanted*."""
    began = time.perf_counter()
    task = asyncio.ensure_future(working)
    await _until(url, query, wanted)
    took = time.perf_counter() - began
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return took


async def _until(url: str, query: str, wanted: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        while await connection.fetchval(query) != wanted:
            await asyncio.sleep(0.01)
    finally:
        await connection.close()
