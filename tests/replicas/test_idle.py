"""Servers with nothing to do ask the database next to nothing, and see what hands change all the same."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.postgres import OwnServer, execute, own_server
from tests.replicas.nodes import Node, Nodes
from tinyforge.observe.events import SchedulesFired
from tinyforge.store.postgres.heart import EVERY

pytestmark = pytest.mark.slow

SERVERS = 3
SPAN = 15.0  # seconds
SCHEDULES = """
INSERT INTO triggers(id, name, kind, config)
SELECT n, 's' || n, 'schedule', '{"interval": "1d", "first": "wait"}' FROM generate_series(1, 1000) n"""
ASKED = re.compile(r"^replica (?:LOG|ERROR): +(?:statement|execute [^:]*): *\n?(.*)", re.MULTILINE)
LOG_ALL = """
ALTER SYSTEM SET log_statement = 'all'; ALTER SYSTEM SET log_line_prefix = '%a ';
SELECT pg_reload_conf()"""


def log_of(server: OwnServer) -> Path:
    return Path(server.url.partition("host=")[2]) / "log"


async def at_rest(nodes: Nodes, served: list[Node]) -> None:
    """Wait until all is planned and everybody has heard of it."""
    await nodes.until("SELECT NOT EXISTS (SELECT 1 FROM unplanned)")
    await nodes.until("SELECT count(*) = 1000 FROM timing WHERE due_at IS NOT NULL")
    for node in served:
        async with asyncio.timeout(4 * EVERY):
            while (known := node.engine.store.known()) is None or known.has_unplanned:
                await asyncio.sleep(EVERY / 50)


async def test_three_idle_servers_ask_less_than_once_a_second_in_all(tmp_path: Path) -> None:
    with own_server() as server:
        nodes = Nodes(tmp_path, f"{server.url}&application_name=replica")
        async with AsyncExitStack() as stack:
            served = [await stack.enter_async_context(nodes.serving(n)) for n in range(SERVERS)]
            await execute(server.url, SCHEDULES)
            await at_rest(nodes, served)
            await asyncio.sleep(2 * EVERY)
            for statement in LOG_ALL.split(";"):
                await execute(server.url, statement)
            before = len(log_of(server).read_text())
            await asyncio.sleep(SPAN)
            asked = ASKED.findall(log_of(server).read_text()[before:])
            assert len(asked) < SPAN, asked
            assert sum("WITH renewed" in words for words in asked) >= SERVERS * (SPAN // EVERY - 1)
            await execute(
                server.url,
                'UPDATE triggers SET config = \'{"interval": "10s", "first": "now"}\' WHERE id = 7',
            )
            async with asyncio.timeout(6 * EVERY):
                while not any(node.happened.of(SchedulesFired) for node in served):
                    await asyncio.sleep(EVERY / 50)
