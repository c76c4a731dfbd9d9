"""Two servers on one PostgreSQL in this process, of which one lacks kinds that the other knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from tests.engine.house import PATIENCE, Happenings, kinds
from tests.postgres import execute, own_schema
from tinyforge.model import Event, EventDraft, Outcome, Result, RunState, TriggerId
from tinyforge.observe.events import EventsFannedOut, RowBroken, RunsEnded
from tinyforge.plugins import Plugins
from tinyforge.server.running import Server
from tinyforge.settings import Listen, Settings

pytestmark = pytest.mark.slow

BUTTON, STRANGE, BARE = (TriggerId(number) for number in (1, 2, 3))
ROWS = """
INSERT INTO workloads(id, name, kind, queue) VALUES (1, 'done', 'quick', 'every');
INSERT INTO triggers(id, name, kind) VALUES (1, 'button', 'manual'), (2, 'strange', 'touchy'),
  (3, 'bare', 'touchy');
INSERT INTO bindings(id, name, trigger_id, workload_id, rule) VALUES
  (1, 'a', 1, 1, NULL), (2, 'b', 2, 1, '{"how": "yes"}'), (3, 'c', 3, 1, NULL)"""


@dataclass
class Pair:
    url: str
    folder: Path
    lacking: Server
    knowing: Server
    happened: Happenings  # at either

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait while heartbeats go to and fro."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.01)

    async def one(self, query: str) -> object:
        connection = await asyncpg.connect(self.url)
        try:
            found: object = await connection.fetchval(query)
            return found
        finally:
            await connection.close()

    async def planned(self) -> None:
        """Wait until every row that a hand put in was read."""
        async with asyncio.timeout(PATIENCE):
            while await self.one("SELECT count(*) FROM unplanned"):
                await asyncio.sleep(0.01)

    async def fire(self, trigger: TriggerId) -> tuple[Event, list[Result]]:
        """Fire at the server that lacks kinds."""
        receipt = await self.lacking.engine.intake.fire(EventDraft(trigger_id=trigger, facts={}))
        assert receipt.event is not None
        return receipt.event, list(receipt.results)


@asynccontextmanager
async def serving(
    folder: Path, url: str, plugins: Plugins, hear: Happenings
) -> AsyncIterator[Server]:
    settings = Settings(data=folder, database=url, listen=Listen("127.0.0.1", 0), grace=0)
    server = Server(settings=settings, plugins=plugins, listening=[hear])
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture
async def pair(postgres: str, tmp_path: Path) -> AsyncIterator[Pair]:
    """Give two servers that have heard of one another, with rows of a person."""
    happened = Happenings()
    async with (
        own_schema(postgres) as url,
        serving(tmp_path / "a", url, Plugins.discover(), happened) as lacking,
        serving(tmp_path / "b", url, kinds(), happened) as knowing,
    ):
        found = Pair(url, tmp_path, lacking, knowing, happened)
        await found.until(lambda: "quick" in lacking.engine.store.elsewhere.workload_kinds)
        await execute(url, ROWS)
        await found.planned()
        yield found


async def test_rows_of_a_kind_that_another_server_knows_are_read_there(pair: Pair) -> None:
    assert pair.happened.of(RowBroken) == []
    assert await pair.one("SELECT count(*) FROM workloads WHERE broken IS NULL") == 1


async def test_a_run_of_such_a_kind_is_deployed_there(pair: Pair) -> None:
    event, (result,) = await pair.fire(BUTTON)
    assert result.outcome is Outcome.MATCHED
    ended = await pair.happened.wait_for(RunsEnded)
    assert [run.state for run in ended.runs] == [RunState.SUCCEEDED]
    owner = await pair.one(f"SELECT owner FROM runs WHERE event_id = {event.id}")
    assert owner == pair.knowing.engine.store.instance


async def test_an_event_whose_rule_needs_such_a_kind_is_matched_there(pair: Pair) -> None:
    _, results = await pair.fire(STRANGE)
    assert results == []
    await pair.happened.wait_for(RunsEnded)
    found = pair.happened.of(EventsFannedOut)
    assert [(one.runs, list(one.refused)) for one in found] == [(1, [])]


async def test_an_event_without_rules_needs_no_kind_of_its_trigger(pair: Pair) -> None:
    _, (result,) = await pair.fire(BARE)
    assert result.outcome is Outcome.MATCHED


async def test_what_no_server_knows_any_more_is_said(pair: Pair) -> None:
    await pair.knowing.stop()
    await pair.until(lambda: not pair.lacking.engine.store.elsewhere.workload_kinds)
    for trigger, kind in ((BUTTON, "quick"), (STRANGE, "touchy")):
        _, (result,) = await pair.fire(trigger)
        assert (result.outcome, kind in result.reason) == (Outcome.UNKNOWN_KIND, True)


async def test_a_run_waits_for_the_server_that_knows_its_kind(pair: Pair) -> None:
    pair.knowing.engine.runner.floor.closed = True
    event, _ = await pair.fire(BUTTON)
    await pair.knowing.stop()
    await pair.until(lambda: not pair.lacking.engine.store.elsewhere.workload_kinds)
    assert await pair.one("SELECT state FROM runs") == RunState.QUEUED
    async with serving(pair.folder / "c", pair.url, kinds(), pair.happened):
        ended = await pair.happened.wait_for(RunsEnded)
    assert [run.state for run in ended.runs] == [RunState.SUCCEEDED]
    assert await pair.one(f"SELECT attempt FROM runs WHERE event_id = {event.id}") == 1
