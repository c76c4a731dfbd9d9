from __future__ import annotations

import asyncio

import pytest

from tests.operations.house import ME, SITE, House, request
from tinyforge.clock import HOUR, MINUTE, SECOND
from tinyforge.errors import InvalidManifest
from tinyforge.observe.events import ManifestApplied, ManifestRefused
from tinyforge.operations.lists import Wanted

WRONG = SITE.replace("interval: 10m", "intervall: 10m").replace("workload: site}", "workload: sit}")


async def test_a_plan_shows_the_difference_and_changes_nothing(house: House) -> None:
    plan = await house.doors.manifests.plan(request(), ME)
    assert not plan.applied
    assert {(change.what, change.action) for change in plan.changes} == {
        ("workload", "create"),
        ("trigger", "create"),
        ("binding", "create"),
    }
    assert plan.next_command == "tinyforge apply site.yaml"
    assert not (await house.doors.lists.triggers(ME, Wanted())).items


async def test_a_plan_says_what_would_fire_at_once(house: House) -> None:
    plan = await house.doors.manifests.plan(request(), ME)
    assert [one.trigger for one in plan.would_fire] == ["often"]
    assert "first: wait" in plan.would_fire[0].why


async def test_the_second_time_there_is_nothing_to_do(house: House) -> None:
    first = await house.apply()
    before = await house.store.catalog()
    second = await house.apply()
    assert (len(first.changes), len(second.changes), second.unchanged) == (7, 0, 7)
    assert (await house.store.catalog()).generation == before.generation
    assert [one.changes for one in house.happened if isinstance(one, ManifestApplied)] == [7, 0]


async def test_mistakes_come_all_at_once_and_change_nothing(house: House) -> None:
    with pytest.raises(InvalidManifest) as refused:
        await house.apply(WRONG)
    assert len(refused.value.mistakes) >= 2
    assert all(mistake.startswith("site.yaml:") for mistake in refused.value.mistakes)
    assert not (await house.doors.lists.triggers(ME, Wanted())).items
    said = [one for one in house.happened if isinstance(one, ManifestRefused)]
    assert [one.source for one in said] == ["site.yaml"]


async def test_an_edit_never_fires_unless_asked(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    house.clock.advance(5 * MINUTE)
    edited = await house.apply(SITE.replace("interval: 10m", "interval: 20m"))
    assert not edited.would_fire
    await house.pass_time(SECOND)
    assert len((await house.doors.events.find(ME, "often")).items) == 1


async def test_asked_to_fire_it_fires_what_is_new_or_edited(house: House) -> None:
    await house.apply()
    edited = await house.apply(SITE.replace("interval: 10m", "interval: 20m"), fire=True)
    assert [one.trigger for one in edited.fired] == ["often"]
    assert not edited.fired[0].rules_applied
    assert [one.why for one in edited.would_fire] == ["by hand, as asked"]


async def test_a_trigger_switched_on_again_decides_what_passed(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    off = SITE.replace("interval: 10m", "interval: 10m, enabled: false")
    await house.apply(off)
    await house.pass_time(HOUR)
    assert len((await house.doors.events.find(ME, "often")).items) == 1
    plan = await house.doors.manifests.plan(request(), ME)
    assert ["passed while it rested" in one.why for one in plan.would_fire] == [True]
    await house.apply()
    assert len((await house.doors.events.find(ME, "often")).items) == 2


async def test_a_row_of_somebody_else_needs_adopt(house: House) -> None:
    await house.apply()
    other = SITE.replace("version: 1", "version: 1\nname: other")
    with pytest.raises(InvalidManifest, match="--adopt"):
        await house.apply(other)
    taken = await house.apply(other, adopt=True)
    assert {change.action for change in taken.changes} == {"adopt"}


async def test_prune_removes_what_is_no_longer_in_the_file_with_what_deploy_made(
    house: House,
) -> None:
    await house.apply()
    await house.doors.firing.deploy("site", ME)
    kept = await house.apply("version: 1\n")
    assert len((await house.doors.lists.triggers(ME, Wanted())).items) == 4
    assert all("--prune" in note for change in kept.changes for note in change.notes)
    await house.apply("version: 1\n", prune=True)
    assert not (await house.doors.lists.triggers(ME, Wanted())).items
    assert not (await house.doors.lists.workloads(ME, Wanted())).items


async def test_two_at_once_both_end_well(house: House) -> None:
    one = SITE.replace("version: 1", "version: 1\nname: one")
    other = (
        "version: 1\nname: two\nworkloads: {w: {kind: command, command: ['true']}}\n"
        "triggers: {t: {kind: manual}}\nbindings: [{trigger: t, workload: w}]\n"
    )
    await asyncio.gather(*(house.apply(text) for text in (one, other, one, other, one, other)))
    found = (await house.doors.lists.triggers(ME, Wanted())).items
    assert [(one.name, one.managed_by) for one in found] == [
        ("button", "manifest:one"),
        ("nightly", "manifest:one"),
        ("often", "manifest:one"),
        ("t", "manifest:two"),
    ]


async def test_a_trigger_that_leads_nowhere_is_warned_about(house: House) -> None:
    plan = await house.doors.manifests.plan(
        request("version: 1\ntriggers: {t: {kind: manual}}\n"), ME
    )
    assert len(plan.warnings) == 1
    assert "no binding leads from it" in plan.warnings[0]


async def test_an_at_that_has_passed_is_warned_about(house: House) -> None:
    text = "version: 1\ntriggers: {t: {kind: schedule, at: 2020-01-01T00:00:00Z}}\n"
    plan = await house.doors.manifests.plan(request(text), ME)
    assert any("its moment has passed" in warning for warning in plan.warnings)


async def test_what_is_exported_plans_as_no_change(house: House) -> None:
    await house.apply()
    text = (await house.doors.manifests.export(ME, "default")).text
    plan = await house.doors.manifests.plan(request(text), ME)
    assert not plan.changes
    assert plan.next_command == "tinyforge preview"


async def test_doctor_remembers_the_mistakes_of_the_servers_own_manifest(house: House) -> None:
    with pytest.raises(InvalidManifest):
        await house.doors.manifests.apply_own(request(WRONG))
    told = [one for one in (await house.doors.doctor.examine(ME)).checks if one.name == "manifest"]
    assert told
    assert all(one.verdict == "fail" for one in told)
    assert told[0].fix == "correct it, then: tinyforge apply site.yaml"
    await house.doors.manifests.apply_own(request())
    assert "manifest" not in {one.name for one in (await house.doors.doctor.examine(ME)).checks}
