"""What one server does is known to the others at once; where the hint is lost, a heartbeat later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from tests.postgres import own_schema
from tests.replicas.nodes import Node, Nodes
from tinyforge.clock import MINUTE, Micros, Moment, SystemClock
from tinyforge.model import Run, RunState
from tinyforge.observe.events import DeploysStopped
from tinyforge.store.postgres.heart import EVERY, TRUST

AT_ONCE = EVERY / 2  # what takes less was not left to the heartbeat
A_HEARTBEAT = 2 * EVERY
DEAF = "trap '' TERM; echo begun; while :; do sleep 0.1; done"
LISTENERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND query LIKE '%UPDATE servers SET lease_until%'"""


@pytest_asyncio.fixture
async def nodes(tmp_path: Path, postgres: str) -> AsyncIterator[Nodes]:
    async with own_schema(postgres) as url:
        yield Nodes(tmp_path, url)


@pytest_asyncio.fixture
async def pair(nodes: Nodes) -> AsyncIterator[tuple[Node, Node]]:
    """Give two servers, each of which deploys one run at a time."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(nodes.serving(1))
        other = await stack.enter_async_context(nodes.serving(2))
        await nodes.until("SELECT count(*) = 2 FROM servers")
        yield one, other
        nodes.open_gates()


def asked_of(pair: tuple[Node, Node], run: Run) -> Node:
    """Return the server that does not deploy *run*."""
    (other,) = [node for node in pair if node.engine.store.instance != run.owner]
    return other


class LeapingClock(SystemClock):
    """The machine's clock, which a test may set forward as a standstill would."""

    def __init__(self) -> None:
        self.leapt = 0

    def now(self) -> Moment:
        return super().now() + self.leapt

    def monotonic(self) -> Micros:
        return super().monotonic() + self.leapt


async def test_a_run_that_one_server_has_no_place_for_is_begun_by_another_at_once(
    nodes: Nodes, pair: tuple[Node, Node]
) -> None:
    one, _ = pair
    first = await one.until_run_is(RunState.RUNNING, await nodes.held(one, "first"))
    other = asked_of(pair, first)
    (busy,) = [node for node in pair if node is not other]
    second = await nodes.held(busy, "second")
    found = await busy.until_run_is(RunState.RUNNING, second, AT_ONCE)
    assert found.owner == other.engine.store.instance


async def test_a_run_is_cancelled_at_once_from_a_server_that_does_not_deploy_it(
    nodes: Nodes, pair: tuple[Node, Node]
) -> None:
    run = await nodes.held(pair[0], "first")
    other = asked_of(pair, await pair[0].until_run_is(RunState.RUNNING, run))
    await other.engine.runner.cancel(run, "somebody")
    await other.until_run_is(RunState.CANCELLED, run, AT_ONCE)


async def test_a_server_that_hears_no_hint_learns_of_a_cancel_by_its_heartbeat(
    nodes: Nodes, pair: tuple[Node, Node]
) -> None:
    run = await nodes.held(pair[0], "first")
    other = asked_of(pair, await pair[0].until_run_is(RunState.RUNNING, run))
    assert await nodes.one(LISTENERS)
    await other.engine.runner.cancel(run, "somebody")
    await other.until_run_is(RunState.CANCELLED, run, A_HEARTBEAT)


async def test_a_cancelled_run_that_is_tried_again_is_not_cancelled_again(
    nodes: Nodes, pair: tuple[Node, Node]
) -> None:
    run = await nodes.held(pair[0], "first")
    other = asked_of(pair, await pair[0].until_run_is(RunState.RUNNING, run))
    await other.engine.runner.cancel(run, "somebody")
    await other.until_run_is(RunState.CANCELLED, run)
    await other.engine.store.requeue(run, other.engine.clock.now())
    other.engine.runner.wake()
    await other.until_run_is(RunState.RUNNING, run)
    assert await nodes.one("SELECT count(*) FROM cancels") == 0
    nodes.gate("first").set()
    await other.until_run_is(RunState.SUCCEEDED, run)


async def test_a_cancel_holds_for_a_run_that_waits_again_when_it_is_heard(
    nodes: Nodes, pair: tuple[Node, Node]
) -> None:
    clock = pair[0].engine.clock
    run = await pair[0].until_run_is(RunState.RUNNING, await nodes.held(pair[0], "first"))
    await nodes.do(f"INSERT INTO cancels VALUES ({run.id}, 'somebody', 1)")
    await nodes.do(
        f"UPDATE runs SET state = 2, owner = NULL, ready_at = {clock.now() + MINUTE} WHERE id = {run.id}"
    )
    found = await pair[0].until_run_is(RunState.CANCELLED, run.id, A_HEARTBEAT)
    assert found.error == "cancelled before it began"


async def test_a_deploy_is_stopped_before_its_lease_can_end(nodes: Nodes) -> None:
    clock = LeapingClock()
    async with nodes.serving(1, clock=clock) as node:
        run = await nodes.fired(node, "deaf", "command", command=["sh", "-c", DEAF])
        await node.until_lines(run, ["begun"])
        clock.leapt = TRUST
        said = await node.happened.wait_for(DeploysStopped)
        assert list(said.runs) == [run]
        found = await node.until_run_is(RunState.INTERRUPTED, run)
        assert "the database was out of reach" in (found.error or "")
