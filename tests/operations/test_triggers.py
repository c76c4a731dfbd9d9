from __future__ import annotations

import pytest

from tests.operations.house import BEGIN, ME, House
from tinyforge.clock import HOUR, MINUTE, SECOND, rfc3339
from tinyforge.errors import NotFound, Refused
from tinyforge.operations.lists import Wanted


async def test_all_triggers_are_listed_by_name_with_what_they_say(house: House) -> None:
    await house.apply()
    found = (await house.doors.lists.triggers(ME, Wanted())).items
    assert [(one.name, one.says, one.workloads) for one in found] == [
        ("button", "", ["site"]),
        ("nightly", "0 3 * * * Europe/Berlin", ["site"]),
        ("often", "every 10m", ["site"]),
    ]


async def test_a_row_that_cannot_be_read_leads_to_who_says_how_to_repair_it(house: House) -> None:
    house.by_hand("INSERT INTO triggers(name, kind, config) VALUES ('hand', 'schedule', '{{')")
    await house.pass_time(0)
    (found,) = (await house.doors.lists.triggers(ME, Wanted())).items
    assert (found.state, found.says, found.next_command) == ("broken", "", "tinyforge doctor")


async def test_a_list_can_be_narrowed_by_kind_and_state(house: House) -> None:
    await house.apply()
    await house.doors.triggers.pause("often", ME)
    kinds = (await house.doors.lists.triggers(ME, Wanted(kind="manual"))).items
    paused = (await house.doors.lists.triggers(ME, Wanted(state="paused"))).items
    assert [one.name for one in kinds] == ["button"]
    assert [one.name for one in paused] == ["often"]


async def test_a_name_that_is_not_there_is_refused_with_the_nearest(house: House) -> None:
    await house.apply()
    with pytest.raises(NotFound, match="did you mean 'nightly'"):
        await house.doors.triggers.show("nightli", ME)


async def test_one_trigger_is_shown_with_all_that_belongs_to_it(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    shown = await house.doors.triggers.show("often", ME)
    assert shown.timing is not None
    assert shown.timing.due_at == rfc3339(BEGIN + 10 * MINUTE)
    assert [binding.workload for binding in shown.bindings] == ["site"]
    assert [event.window for event in shown.events] == [rfc3339(BEGIN)]
    assert [revision.author for revision in shown.revisions] == [ME.actor]


async def test_a_paused_trigger_decides_nothing_and_resumes_with_one_fire(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    assert (await house.doors.triggers.pause("often", ME)).trigger.state == "paused"
    await house.pass_time(HOUR)
    resumed = await house.doors.triggers.resume("often", ME)
    assert resumed.fired is not None
    assert resumed.fired.window == rfc3339(BEGIN + HOUR)
    assert resumed.skipped is not None
    assert (resumed.skipped.count, resumed.skipped.reason) == (5, "paused")
    assert len((await house.doors.events.find(ME, "often")).items) == 2


async def test_to_pause_twice_changes_nothing_the_second_time(house: House) -> None:
    await house.apply()
    first = await house.doors.triggers.pause("often", ME)
    house.clock.advance(SECOND)
    second = await house.doors.triggers.pause("often", ME)
    assert (first.changed, second.changed) == (True, False)
    assert second.trigger.paused_at == first.trigger.paused_at
    assert second.trigger.next_command == "tinyforge trigger resume often"


async def test_what_has_no_windows_cannot_be_paused(house: House) -> None:
    await house.apply()
    with pytest.raises(Refused, match="kind manual, which has no windows") as refused:
        await house.doors.triggers.pause("button", ME)
    assert "enabled: false" in refused.value.fix


async def test_a_row_that_no_sweep_has_planned_cannot_be_paused_yet(house: House) -> None:
    house.by_hand(
        "INSERT INTO triggers(id, name, kind, config) VALUES (7, 'byhand', 'schedule', ?)",
        '{"interval": "10m"}',
    )
    with pytest.raises(Refused, match="no sweep has planned it yet"):
        await house.doors.triggers.pause("byhand", ME)
    await house.pass_time(0)
    assert (await house.doors.triggers.pause("byhand", ME)).changed
