"""Two servers on one database: what is done once is done by one of them, and beats cost little."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import count

import asyncpg
import pytest_asyncio

from tests.postgres import execute
from tinyforge.clock import MINUTE
from tinyforge.errors import StoreUnavailable
from tinyforge.model import EventDraft, RunState
from tinyforge.store.postgres.heart import BEAT, TRUST
from tinyforge.store.postgres.house import House
from tinyforge.store.postgres.store import PostgresStore
from tinyforge.testing.clock import MovableClock
from tinyforge.testing.store.refused import refused
from tinyforge.testing.store.site import NOW, finish, fire, put_site, succeeded, take

MANY = 20_000
LARGE = {"timing", "events", "runs", "workloads", "triggers"}
FILLED = f"""
SET tinyforge.own = 'on';
INSERT INTO triggers(id, name, kind) SELECT n, 't' || n, 'manual' FROM generate_series(1, {MANY}) n;
INSERT INTO workloads(id, name, kind) SELECT n, 'w' || n, 'quick' FROM generate_series(1, {MANY}) n;
INSERT INTO timing(trigger_id, due_at, decided_until, base, since, spec_id)
SELECT n, {NOW} + n, {NOW}, {NOW}, {NOW}, 1 FROM generate_series(1, {MANY}) n;
INSERT INTO events(id, trigger_id, accepted_at, fanned_at)
SELECT n, n, {NOW}, {NOW} FROM generate_series(1, {MANY}) n;
INSERT INTO runs(id, event_id, binding_id, workload_id, state, queued_at, ready_at)
SELECT n, n, n, n, CASE WHEN n % 2 = 0 THEN 4 ELSE 2 END, {NOW}, {NOW}
FROM generate_series(1, {MANY}) n;
UPDATE timing SET due_at = due_at + 1;
UPDATE runs SET ready_at = ready_at + 1 WHERE state = 2;
ANALYZE"""


@pytest_asyncio.fixture
async def pair(url: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    house = House(clock=MovableClock(), version="1.0")
    async with PostgresStore.open(url, house) as one, PostgresStore.open(url, house) as other:
        yield one, other


async def forget(url: str, store: PostgresStore) -> None:
    """Let *store* look as if its server had died and been buried."""
    await execute(url, f"DELETE FROM servers WHERE instance = {store.instance}")


async def test_a_left_event_is_tried_by_one_server_and_counted_once(
    url: str, pair: tuple[PostgresStore, PostgresStore]
) -> None:
    async with PostgresStore.open(url, House(clock=MovableClock(), version="1.0")) as dead:
        site = await put_site(dead)
        keys = count(1)
        drafts = [EventDraft(trigger_id=site.trigger.id, key=f"k{next(keys)}") for _ in range(20)]
        events = [event for event in await dead.accept(drafts, NOW) if event is not None]
    tries = [store.try_alone(event.id, counted=True) for event in events for store in pair]
    taken = await asyncio.gather(*tries)
    assert [sum(taken[n : n + 2]) for n in range(0, len(taken), 2)] == [1] * len(events)
    assert [(await pair[0].event(event.id)).tries for event in events] == [1] * len(events)


async def test_a_server_tries_again_what_it_tries_and_no_other_one_does(
    url: str, pair: tuple[PostgresStore, PostgresStore]
) -> None:
    one, other = pair
    async with PostgresStore.open(url, House(clock=MovableClock(), version="1.0")) as dead:
        site = await put_site(dead)
        (event,) = await dead.accept([EventDraft(trigger_id=site.trigger.id, key="k")], NOW)
        assert event is not None
    assert await one.try_alone(event.id, counted=True)
    assert [left.id for left in await one.left_events(9)] == [event.id]
    assert await other.left_events(9) == []
    assert await one.try_alone(event.id, counted=True)
    assert (await one.event(event.id)).tries == 1
    await forget(url, one)
    assert [left.tries for left in await other.left_events(9)] == [1]
    assert await other.try_alone(event.id, counted=True)
    assert (await other.event(event.id)).tries == 2


async def test_runs_of_a_dead_server_are_recovered_by_one_of_the_others(
    url: str, pair: tuple[PostgresStore, PostgresStore]
) -> None:
    one, other = pair
    async with PostgresStore.open(url, House(clock=MovableClock(), version="1.0")) as dead:
        await fire(dead, await put_site(dead))
        (taken,) = await take(dead)
    found = await asyncio.gather(one.dead_runs(), other.dead_runs())
    assert sorted(map(len, found)) == [0, 1]
    finder, second = (one, other) if found[0] else (other, one)
    await forget(url, finder)
    (again,) = await second.dead_runs()
    assert again.run_id == taken.run_id
    await finder.recover([], [again], [], NOW + MINUTE)
    assert (await second.run(taken.run_id)).state.word == "running"
    await second.recover([again], [], [], NOW + MINUTE)
    assert (await second.run(taken.run_id)).state.word == "queued"


async def test_no_outcome_is_stored_while_a_lease_is_in_doubt(url: str) -> None:
    clock = MovableClock()
    async with PostgresStore.open(url, House(clock=clock, version="1.0")) as store:
        await fire(store, await put_site(store))
        (taken,) = await take(store)
        assert store.holds(taken)
        clock.move(TRUST)
        assert not store.holds(taken)
        await refused(finish(store, succeeded(taken)), StoreUnavailable)
        assert (await store.run(taken.run_id)).state is RunState.RUNNING


async def test_a_heartbeat_goes_by_indexes_however_many_rows_there_are(
    url: str, pair: tuple[PostgresStore, PostgresStore]
) -> None:
    await execute(url, FILLED)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"PREPARE beat AS {BEAT}")
        given = f"{pair[0].instance}, 0, '{{}}', '{{}}', NULL, '{{}}'"
        rows = await connection.fetch(f"EXPLAIN EXECUTE beat({given})")
    finally:
        await connection.close()
    plan = "\n".join(row[0] for row in rows)
    scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
    assert not scanned & LARGE, plan
    assert "run_once" not in plan  # which has every run that ever was
