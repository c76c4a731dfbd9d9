from __future__ import annotations

import pytest

from tests.operations.house import ME, House
from tinyforge.errors import NotFound, Refused
from tinyforge.ids import show
from tinyforge.observe.events import FiredByHand
from tinyforge.operations.fires import LONGEST_NAME, deploy_trigger
from tinyforge.operations.runs import Wanted

STATES = ("queued", "running", "succeeded")


async def test_a_fire_without_facts_applies_no_rule_and_says_so(house: House) -> None:
    await house.apply()
    fired = await house.doors.firing.fire("button", None, ME)
    assert not fired.rules_applied
    assert [(result.outcome, result.workload) for result in fired.results] == [("matched", "site")]
    assert fired.results[0].run_state in STATES
    assert fired.next_command.startswith("tinyforge run logs")
    shown = await house.doors.events.show(fired.event or "", ME)
    assert (shown.event.actor, shown.event.rules_applied) == (ME.actor, False)


async def test_a_fire_with_facts_is_matched_against_the_rules(house: House) -> None:
    await house.apply()
    missed = await house.doors.firing.fire("button", {"branch": "dev"}, ME)
    assert missed.rules_applied
    assert [result.outcome for result in missed.results] == ["not_matched"]
    assert "'dev'" in missed.results[0].reason
    assert missed.next_command == "tinyforge trigger show button"
    hit = await house.doors.firing.fire("button", {"branch": "main"}, ME)
    assert [result.outcome for result in hit.results] == ["matched"]


async def test_a_fire_is_told_once_with_who_did_it(house: House) -> None:
    await house.apply()
    await house.doors.firing.fire("button", None, ME, dry_run=True)
    fired = await house.doors.firing.fire("button", None, ME)
    (told,) = [one for one in house.happened if isinstance(one, FiredByHand)]
    assert (told.trigger, told.kind, told.actor) == ("button", "manual", ME.actor)
    assert show("evt", told.event_id) == fired.event


async def test_a_rehearsal_gives_the_results_and_stores_nothing(house: House) -> None:
    await house.apply()
    told = await house.doors.firing.fire("button", {"branch": "dev"}, ME, dry_run=True)
    assert (told.event, told.dry_run) == (None, True)
    assert [(result.outcome, result.workload) for result in told.results] == [
        ("not_matched", "site")
    ]
    assert not (await house.doors.events.find(ME)).items


async def test_a_schedule_can_be_fired_by_hand_and_keeps_its_windows(house: House) -> None:
    await house.apply()
    before = await house.doors.triggers.show("nightly", ME)
    fired = await house.doors.firing.fire("nightly", None, ME)
    after = await house.doors.triggers.show("nightly", ME)
    assert fired.event is not None
    assert before.timing == after.timing


async def test_facts_that_are_too_large_are_refused(house: House) -> None:
    await house.apply()
    with pytest.raises(Refused, match="262144"):
        await house.doors.firing.fire("button", {"x": "y" * 262_144}, ME)


async def test_a_deploy_makes_its_trigger_once_and_runs_the_workload(house: House) -> None:
    await house.apply()
    first = await house.doors.firing.deploy("site", ME)
    second = await house.doors.firing.deploy("site", ME)
    assert first.trigger == second.trigger == "deploy.site"
    assert [result.workload for result in second.results] == ["site"]
    shown = await house.doors.triggers.show("deploy.site", ME)
    assert (shown.trigger.kind, shown.trigger.managed_by) == ("manual", "api")
    assert [binding.name for binding in shown.bindings] == ["deploy.site.site"]


async def test_the_first_deploy_tells_the_audit_what_it_binds_and_what_it_deploys(
    house: House,
) -> None:
    await house.apply()
    await house.doors.firing.deploy("site", ME, dry_run=True)
    first, second = [await house.doors.firing.deploy("site", ME) for _ in range(2)]
    told = [one for one in (await house.doors.audit.find(ME)).items if one.target == "site"]
    assert [(one.action, one.after) for one in told] == [
        ("deploy_workload", second.event),
        ("deploy_workload", first.event),
        ("bind_workload", "binding deploy.site.site of a new trigger deploy.site"),
    ]


async def test_a_rehearsed_first_deploy_makes_nothing(house: House) -> None:
    await house.apply()
    told = await house.doors.firing.deploy("site", ME, dry_run=True)
    assert [(result.workload, result.outcome) for result in told.results] == [("site", "matched")]
    assert told.next_command == "tinyforge deploy site"
    with pytest.raises(NotFound):
        await house.doors.triggers.show("deploy.site", ME)


async def test_a_deploy_does_not_take_a_trigger_of_another_kind(house: House) -> None:
    await house.apply(
        "version: 1\nworkloads: {site: {kind: command, command: ['true']}}\n"
        "triggers: {deploy.site: {kind: schedule, interval: 1h}}\n"
    )
    with pytest.raises(Refused, match="kind schedule"):
        await house.doors.firing.deploy("site", ME)


async def test_a_workload_that_is_not_there_cannot_be_deployed(house: House) -> None:
    with pytest.raises(NotFound):
        await house.doors.firing.deploy("site", ME)


def test_a_long_name_gives_a_trigger_name_that_is_allowed_and_its_own() -> None:
    one, other = "x" * 63, "x" * 62 + "y"
    assert len(deploy_trigger(one)) == LONGEST_NAME
    assert deploy_trigger(one) != deploy_trigger(other)


async def test_a_run_can_be_followed_to_its_end(house: House) -> None:
    await house.apply()
    fired = await house.doors.firing.deploy("site", ME)
    run = fired.results[0].run or ""
    await house.work()
    shown = await house.doors.runs.show(run, ME)
    assert (shown.run.state, shown.run.trigger) == ("succeeded", "deploy.site")
    assert [attempt.outcome for attempt in shown.attempts] == ["succeeded"]
    log = await house.doors.runs.log(run, ME)
    assert log.over
    assert (await house.doors.runs.log(run, ME, log.next)).over


async def test_a_log_comes_in_parts_and_says_when_it_is_over(house: House) -> None:
    wide = "[print('x' * 16000) for _ in range(50)]; raise SystemExit(1)"
    await house.apply(
        f'version: 1\nworkloads: {{w: {{kind: command, command: [python3, -c, "{wide}"]}}}}\n'
    )
    fired = await house.doors.firing.deploy("w", ME)
    run = fired.results[0].run or ""
    assert not (await house.doors.runs.log(run, ME)).over
    await house.work()
    await house.doors.runs.retry(run, ME)
    await house.work()
    parts, after = [], -1
    while not parts or not parts[-1].over:
        parts.append(await house.doors.runs.log(run, ME, after))
        after = parts[-1].next
    lines = [line for part in parts for chunk in part.chunks for line in chunk.lines]
    assert lines.count("x" * 16_000) == 100
    assert len(parts) > 1


async def test_a_run_that_failed_can_be_tried_again_and_one_that_succeeded_cannot(
    house: House,
) -> None:
    await house.apply("version: 1\nworkloads: {bad: {kind: command, command: ['false']}}\n")
    fired = await house.doors.firing.deploy("bad", ME)
    run = fired.results[0].run or ""
    await house.work()
    failed = await house.doors.runs.show(run, ME)
    assert failed.run.state == "failed"
    assert failed.next_command == f"tinyforge run logs {run}"
    assert (await house.doors.runs.retry(run, ME)).run.state in STATES
    await house.work()
    assert [a.number for a in (await house.doors.runs.show(run, ME)).attempts] == [1, 2]


async def test_what_has_ended_cannot_be_cancelled_or_repeated(house: House) -> None:
    await house.apply()
    fired = await house.doors.firing.deploy("site", ME)
    run = fired.results[0].run or ""
    await house.work()
    with pytest.raises(Refused, match="has ended: succeeded") as refused:
        await house.doors.runs.retry(run, ME)
    assert refused.value.fix == "tinyforge deploy site"
    with pytest.raises(Refused, match="has ended: succeeded"):
        await house.doors.runs.cancel(run, ME)


async def test_a_queued_run_is_cancelled(house: House) -> None:
    await house.apply()
    fired = await house.doors.firing.deploy("site", ME)
    cancelled = await house.doors.runs.cancel(fired.results[0].run or "", ME)
    assert cancelled.run.state == "cancelled"
    assert cancelled.next_command.startswith("tinyforge run retry")


async def test_runs_are_listed_newest_first_page_by_page(house: House) -> None:
    await house.apply()
    runs = [(await house.doors.firing.deploy("site", ME)).results[0].run for _ in range(5)]
    first = await house.doors.runs.find(Wanted(workload="site", limit=3), ME)
    rest = await house.doors.runs.find(Wanted(workload="site", limit=3, before=first.next), ME)
    assert [run.id for run in [*first.items, *rest.items]] == runs[::-1]
    assert rest.next is None
    superseded = await house.doors.runs.find(Wanted(state="superseded"), ME)
    assert len(superseded.items) == 4


@pytest.mark.parametrize("wrong", ["", "x", "run_", "run_0000000000000", "evt_0000000000000"])
async def test_an_id_that_is_none_is_not_found(house: House, wrong: str) -> None:
    with pytest.raises(NotFound):
        await house.doors.runs.show(wrong, ME)
    with pytest.raises(NotFound):
        await house.doors.events.show(wrong.replace("evt", "run"), ME)
