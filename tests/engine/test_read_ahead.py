"""What is bound to schedules, read before they are due."""

from __future__ import annotations

import gc

from tests.engine.house import House
from tinyforge.engine.bound import SLICE
from tinyforge.engine.recent import Fresh
from tinyforge.model import TriggerId


async def test_all_schedules_are_known_before_they_are_due(house: House) -> None:
    numbers = house.sites(2 * SLICE + 1)
    await house.sweep()
    await house.engine.ticker.decider.bounds.read_ahead()
    known, _ = await house.engine.ticker.decider.bounds.of([TriggerId(numbers[0])])
    assert set(known) == {TriggerId(number) for number in numbers}


async def test_what_is_known_is_no_work_for_a_garbage_collection(house: House) -> None:
    numbers = house.sites(2)
    await house.sweep()
    await house.engine.ticker.decider.bounds.read_ahead()
    known, _ = await house.engine.ticker.decider.bounds.of(list(map(TriggerId, numbers)))
    fresh = [Fresh(event, "", "") for event in await house.events(numbers[0])]
    gc.collect()
    assert fresh
    assert not any(map(gc.is_tracked, [*fresh, *known.values()]))
    assert not any(gc.is_tracked(bound.plain) for bound in known.values())


async def test_what_was_edited_since_is_not_what_fires(house: House) -> None:
    number = house.site()
    await house.sweep()
    await house.engine.ticker.decider.bounds.read_ahead()
    house.by_hand(f"UPDATE bindings SET enabled = 0 WHERE trigger_id = {number}")
    before = len(await house.runs())
    house.clock.move(60_000_000)
    await house.sweep()
    assert len(await house.runs()) == before
