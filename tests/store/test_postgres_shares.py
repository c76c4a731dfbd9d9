from __future__ import annotations

import asyncpg

from tests.postgres import own_schema
from tinyforge.clock import MINUTE, SECOND
from tinyforge.engine.ticker import FAR_PAST
from tinyforge.store.postgres.house import House
from tinyforge.store.postgres.store import PostgresStore
from tinyforge.testing.clock import MovableClock
from tinyforge.testing.store.site import EVERY_MINUTE, NOW, Planned, put_site

MANY = 20
LATER = "UPDATE timing SET due_at = due_at + 3600000000 WHERE trigger_id = ANY($1::bigint[])"


async def test_a_replica_helps_others_only_when_it_is_on_time_itself(postgres: str) -> None:
    house = House(clock=MovableClock(), version="1.0")
    async with (
        own_schema(postgres) as url,
        PostgresStore.open(url, house) as other,
        PostgresStore.open(url, house) as store,  # knows of both
    ):
        for number in range(MANY):
            await put_site(other, Planned(name=f"s{number}", spec=EVERY_MINUTE))
        due_at = (await other.due(FAR_PAST, NOW + MINUTE, MANY))[0].due_at

        own = {row.trigger_id for row in await store.due(FAR_PAST, due_at, MANY)}
        assert 0 < len(own) < MANY

        late = due_at + SECOND
        assert {row.trigger_id for row in await store.due(FAR_PAST, late, MANY)} == own

        await _put_off(url, own)
        assert await store.due(FAR_PAST, late, MANY) == []

        helped = await store.due(FAR_PAST, late + SECOND, MANY)
        assert len(helped) == MANY - len(own)
        assert own.isdisjoint(row.trigger_id for row in helped)


async def _put_off(url: str, triggers: set[int]) -> None:
    """Advance schedules as their replica does."""
    connection = await asyncpg.connect(url)
    await connection.execute("SET tinyforge.own = 'on'")
    await connection.execute(LATER, sorted(triggers))
    await connection.close()
