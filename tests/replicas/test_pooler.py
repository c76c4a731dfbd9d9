"""Behind a pooler in transaction mode, which hears no LISTEN, heartbeats alone do it all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.postgres import own_server
from tests.replicas.nodes import Nodes
from tests.replicas.pooler import pooled
from tinyforge.model import RunState
from tinyforge.observe.events import Recorded, RecordingFailed, SchedulesFired
from tinyforge.store.postgres.heart import EVERY

pytestmark = pytest.mark.slow

A_HEARTBEAT = 2 * EVERY
TOGETHER = 40  # runs


@pytest_asyncio.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    with own_server() as server, pooled(server.url) as address:
        nodes = Nodes(tmp_path, address)
        yield nodes


async def test_schedules_runs_cancels_and_logs_work_behind_a_pooler(nodes: Nodes) -> None:
    async with nodes.serving(1) as one, nodes.serving(2) as other:
        await nodes.do(
            "INSERT INTO triggers(id, name, kind, config)"
            " VALUES (901, 'often', 'schedule', '{\"interval\": \"10s\"}')"
        )
        talk = ["sh", "-c", "echo begun; exec sleep 60"]
        run = await nodes.fired(one, "talk", "command", command=talk)
        found = await one.until_run_is(RunState.RUNNING, run)
        (asked,) = [node for node in (one, other) if node.engine.store.instance != found.owner]
        await asked.until_lines(run, ["begun"])
        await asked.engine.runner.cancel(run, "somebody")
        await asked.until_run_is(RunState.CANCELLED, run, A_HEARTBEAT)
        quick = await nodes.button("quick", "quick")
        await one.engine.ticker.tick()
        runs = await asyncio.gather(*(one.fire(quick) for _ in range(TOGETHER)))
        for each in runs:
            await other.until_run_is(RunState.SUCCEEDED, each)
        for node in (one, other):
            assert node.happened.of(Recorded)
            assert not node.happened.of(RecordingFailed)
        assert len([*one.happened.of(SchedulesFired), *other.happened.of(SchedulesFired)]) >= 1
