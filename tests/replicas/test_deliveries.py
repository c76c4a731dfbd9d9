"""The same delivery at several replicas at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from tests.engine.arriving import FROM, SECRET, github, push
from tests.postgres import own_schema
from tests.replicas.nodes import Node, Nodes
from tinyforge.deliveries import Delivery, Receives
from tinyforge.engine.endpoints import Endpoint
from tinyforge.engine.inbox import Reception, Told
from tinyforge.model import Trigger, TriggerId
from tinyforge.store.port import DeliveryFilter, EventFilter, RunFilter

HOOK = TriggerId(77)


@pytest_asyncio.fixture
async def three(tmp_path: Path, postgres: str) -> AsyncIterator[list[Node]]:
    """Give three replicas with one trigger of GitHub, whose workload has no hurry."""
    async with own_schema(postgres) as url, AsyncExitStack() as stack:
        nodes = Nodes(tmp_path, url)
        found = [await stack.enter_async_context(nodes.serving(n)) for n in range(3)]
        config = json.dumps({"secret": SECRET})
        await nodes.do(
            f"""
            INSERT INTO triggers(id, name, kind, config) VALUES ({HOOK}, 'push', 'github', '{config}');
            INSERT INTO workloads(id, name, kind, queue) VALUES ({HOOK}, 'site', 'quick', 'every');
            INSERT INTO bindings(id, name, trigger_id, workload_id, rule)
            VALUES ({HOOK}, 'push.site', {HOOK}, {HOOK}, '{{"branch": "main"}}')"""
        )
        for node in found:
            await node.engine.ticker.tick()
        yield found


async def receive(node: Node, delivery: Delivery) -> Reception:
    engine = node.engine
    (found,) = await engine.store.inspect("trigger", [HOOK])
    assert isinstance(found.row, Trigger)
    kind = engine.plugins.trigger(found.row.kind, found.row.config)
    assert isinstance(kind, Receives)
    endpoint = Endpoint(
        trigger=found.row, kind=kind, max_body=1 << 20, unsigned=False, enabled=True
    )
    return await engine.inbox.receive(endpoint, delivery, FROM)


async def test_a_thousand_at_once_over_three_replicas_are_one_event(three: list[Node]) -> None:
    delivery = github(push())
    every = await asyncio.gather(*(receive(three[n % 3], delivery) for n in range(1_000)))
    told = [reception.told for reception in every]
    assert (told.count(Told.ACCEPTED), told.count(Told.DUPLICATE)) == (1, 999)
    store = three[0].engine.store
    (event,) = await store.events(EventFilter(trigger_id=HOOK))
    assert {reception.event_id for reception in every} == {event.id}
    assert len(await store.runs(RunFilter(event_id=event.id))) == 1
    assert len(await store.deliveries(DeliveryFilter())) == 1


async def test_many_that_overlap_are_each_one_event(three: list[Node]) -> None:
    deliveries = [github(push(), f"d-{n}") for n in range(60)]
    every = await asyncio.gather(*(receive(node, one) for one in deliveries for node in three))
    assert len({reception.event_id for reception in every}) == 60
    assert sum(reception.told is Told.ACCEPTED for reception in every) == 60
    assert len(await three[0].engine.store.runs(RunFilter(limit=200))) == 60
