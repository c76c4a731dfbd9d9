from __future__ import annotations

import json
import time

import pytest
from msgspec.structs import replace

from tests.manifest.world import SITE, World, understood
from tinyforge.errors import InvalidManifest
from tinyforge.manifest.changes import Change
from tinyforge.manifest.plan import Plan, compare
from tinyforge.manifest.side import Action
from tinyforge.model import Binding, BindingId, Queue, RevisionId, Trigger, TriggerId, WorkloadId

OTHER = SITE.replace("version: 1", "version: 1\nname: other")
WITHOUT_PING = """\
version: 1
workloads:
  site: {kind: command, command: [./deploy.sh, site]}
triggers:
  nightly: {kind: schedule, cron: "0 3 * * *", timezone: Europe/Berlin}
bindings:
  - {trigger: nightly, workload: site}
"""


def applied(text: str = SITE) -> World:
    world = World()
    world.apply(text)
    return world


def shown(plan: Plan) -> set[tuple[str, str, str]]:
    return {(one.what, one.name, one.action) for one in plan.differences}


def notes(plan: Plan, name: str) -> str:
    return "; ".join(note for one in plan.differences if one.name == name for note in one.notes)


def changed(plan: Plan, name: str) -> dict[str, tuple[str | None, str | None]]:
    (difference,) = (one for one in plan.differences if one.name == name)
    return {one.field: (one.before, one.after) for one in difference.changes}


def refusal(world: World, text: str, *, prune: bool = False) -> tuple[str, ...]:
    with pytest.raises(InvalidManifest) as refused:
        world.plan(text, prune=prune)
    return refused.value.mistakes


def test_on_an_empty_server_everything_is_created_and_bound() -> None:
    world = World()
    plan = world.apply(SITE)
    assert {action for _, _, action in shown(plan)} == {Action.CREATE}
    assert (len(plan.workloads), len(plan.triggers), len(plan.bindings)) == (2, 2, 2)
    assert plan.unchanged == 0
    assert world.trigger("nightly").managed_by == "manifest:default"
    bound = world.binding("nightly.site")
    assert bound.trigger_id == world.trigger("nightly").id
    assert bound.workload_id == world.workload("site").id


def test_the_same_document_twice_changes_nothing() -> None:
    plan = applied().plan(SITE)
    assert plan.is_empty
    assert plan.differences == []
    assert plan.unchanged == 6


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("interval: 10m", "interval: 10m, anchor: null"),
        ("{kind: schedule, interval: 10m}", "{interval: 10m, enabled: true, kind: schedule}"),
        ("[./deploy.sh, site]", '["./deploy.sh", "site"], timeout: 900s'),
        ('url: "https', 'queue: latest, retry: {attempts: 1, backoff: 10s}, url: "https'),
        ("workload: site", "workload: site, name: nightly.site, match: {}"),
    ],
)
def test_another_spelling_of_the_same_changes_nothing(then: str, now: str) -> None:
    assert then in SITE
    assert applied().plan(SITE.replace(then, now)).is_empty


def test_an_edit_shows_what_was_and_what_will_be() -> None:
    world = applied()
    old = world.trigger("often")
    plan = world.apply(SITE.replace("interval: 10m", "interval: 5m, spread: 1m"))
    assert shown(plan) == {("trigger", "often", "update")}
    assert changed(plan, "often") == {"interval": ("10m", "5m"), "spread": (None, "1m")}
    assert world.trigger("often").id == old.id
    assert world.trigger("often").config == {"interval": "5m", "spread": "1m"}


def test_common_keys_are_changed_like_others() -> None:
    world = applied()
    plan = world.apply(
        SITE.replace("site]}", "site], queue: skip, timeout: 90s, idempotent: true}")
    )
    assert changed(plan, "site") == {
        "queue": ("latest", "skip"),
        "timeout": ("15m", "1m30s"),
        "idempotent": (None, "true"),
    }
    assert world.workload("site").queue is Queue.SKIP


def test_one_and_true_are_not_the_same_value() -> None:
    text = "version: 1\ntriggers:\n  any: {kind: anything, config: {deep: [1]}}\n"
    plan = applied(text).plan(text.replace("[1]", "[true]"))
    assert changed(plan, "any") == {"config.deep": ("[1]", "[true]")}


def test_a_named_binding_can_be_bent_to_other_ends() -> None:
    named = SITE.replace("- {trigger: often", "- {name: b, trigger: often")
    world = applied(named)
    old = world.binding("b")
    plan = world.apply(named.replace("often, workload: ping", "nightly, workload: ping"))
    assert changed(plan, "b") == {"trigger": ("often", "nightly")}
    assert world.binding("b").id == old.id
    assert world.binding("b").trigger_id == world.trigger("nightly").id


def test_a_new_revision_is_the_whole_row_with_sorted_keys() -> None:
    plan = World().plan(SITE)
    triggers = {one.row.name: one.text for one in plan.triggers}
    workloads = {one.row.name: one.text for one in plan.workloads}
    assert triggers["nightly"] == (
        '{"cron":"0 3 * * *","enabled":true,"kind":"schedule","timezone":"Europe/Berlin"}'
    )
    site = json.loads(workloads["site"] or "")
    assert site["retry"] == {"attempts": 1, "backoff": "10s"}
    assert (site["queue"], site["timeout"]) == ("latest", "15m")
    bound = {one.row.name: json.loads(one.text or "") for one in plan.bindings}
    assert bound["nightly.site"] == {
        "name": "nightly.site",
        "trigger": "nightly",
        "workload": "site",
        "match": {},
        "enabled": True,
    }


def test_a_row_keeps_its_revision_until_a_new_one_is_stored() -> None:
    world = applied()
    world.put(replace(world.trigger("often"), revision_id=RevisionId(77)))
    plan = world.plan(SITE.replace("10m", "5m"))
    assert [one.row.revision_id for one in plan.triggers] == [77]


# --- owners


def test_rows_of_another_manifest_are_left_alone_and_named_with_the_flag() -> None:
    told = refusal(applied(), OTHER)
    assert len(told) == 6
    assert told[0] == (
        "tinyforge.yaml:4: workloads.site: belongs to manifest:default;"
        " take it over with --adopt, or rename this one"
    )


def test_adopting_takes_rows_over_without_a_new_revision_where_nothing_else_changes() -> None:
    world = applied()
    plan = world.apply(OTHER.replace("10m", "5m"), adopt=True)
    assert {action for _, _, action in shown(plan)} == {Action.ADOPT}
    assert notes(plan, "nightly") == "taken over from manifest:default"
    assert {one.row.name: one.text is None for one in plan.triggers} == {
        "nightly": True,
        "often": False,
    }
    assert world.trigger("nightly").managed_by == "manifest:other"
    assert world.plan(OTHER.replace("10m", "5m")).is_empty


def test_rows_of_others_can_be_bound_without_owning_them() -> None:
    world = applied()
    text = "version: 1\nname: other\nbindings:\n  - {trigger: nightly, workload: ping}\n"
    plan = world.apply(text)
    assert shown(plan) == {("binding", "nightly.ping", "create")}
    assert world.trigger("nightly").managed_by == "manifest:default"
    assert "no trigger named 'nightly'; known: none" in refusal(World(), text)[0]


def test_a_rule_is_held_against_the_trigger_of_another_owner_too() -> None:
    row = "{name: mine, trigger: often, workload: ping, match: {a: b}}"
    told = refusal(applied(), f"version: 1\nname: other\nbindings: [{row}]")
    assert len(told) == 1
    assert "bindings.mine.match: a schedule's events" in told[0]


# --- what is no longer in the file


def test_a_row_that_left_the_file_is_kept_and_said() -> None:
    world = applied()
    plan = world.apply(WITHOUT_PING)
    assert plan.is_empty
    assert shown(plan) == {
        ("workload", "ping", "unchanged"),
        ("trigger", "often", "unchanged"),
        ("binding", "often.ping", "unchanged"),
    }
    assert notes(plan, "ping") == "no longer in the file; --prune removes it"
    assert plan.unchanged == 3


def test_pruning_removes_own_rows_only() -> None:
    world = applied()
    world.put(Trigger(id=TriggerId(900), name="mine", kind="manual", config={}))
    world.apply("version: 1\nname: third\ntriggers: {theirs: {kind: manual}}")
    plan = world.apply(WITHOUT_PING, prune=True)
    assert shown(plan) == {
        ("workload", "ping", "delete"),
        ("trigger", "often", "delete"),
        ("binding", "often.ping", "delete"),
    }
    assert [one.text for one in plan.triggers] == [None]
    assert world.names() == {"site", "nightly", "nightly.site", "mine", "theirs"}
    assert world.plan(WITHOUT_PING, prune=True).differences == []


def test_what_another_owner_has_bound_cannot_be_pruned() -> None:
    world = applied()
    world.apply("version: 1\nname: other\nbindings: [{trigger: often, workload: site}]")
    told = refusal(world, WITHOUT_PING, prune=True)
    needed = "cannot be pruned, the binding often.site of manifest:other uses it"
    fix = "keep it in the file, or remove that binding first"
    assert told == (f"tinyforge.yaml: triggers.often: {needed}; {fix}",)


def test_a_binding_cannot_point_to_what_is_pruned() -> None:
    kept = SITE.replace("  often: {kind: schedule, interval: 10m}\n", "")
    world = applied()
    assert world.plan(kept).is_empty  # the trigger stays, so the binding still has two ends
    told = refusal(world, kept, prune=True)
    assert len(told) == 1
    assert "often.ping.trigger: no trigger named 'often'; it is no longer in this file" in told[0]


def deployed_by_hand(world: World, workload: str) -> None:
    trigger = Trigger(id=TriggerId(900), name=f"deploy.{workload}", kind="manual", config={})
    binding = Binding(
        id=BindingId(901),
        name=f"deploy.{workload}.{workload}",
        trigger_id=trigger.id,
        workload_id=WorkloadId(world.workload(workload).id),
    )
    world.put(trigger, binding)


def test_what_a_deploy_made_goes_with_its_workload() -> None:
    world = applied()
    deployed_by_hand(world, "ping")
    plan = world.apply(WITHOUT_PING, prune=True)
    assert ("trigger", "deploy.ping", "delete") in shown(plan)
    assert notes(plan, "deploy.ping") == "made by `tinyforge deploy` for a workload that goes"
    assert world.names() == {"site", "nightly", "nightly.site"}


def test_what_a_deploy_made_stays_while_its_workload_does() -> None:
    world = applied()
    deployed_by_hand(world, "site")
    world.apply(WITHOUT_PING, prune=True)
    assert {"deploy.site", "deploy.site.site"} <= world.names()


@pytest.mark.parametrize("prune", [True, False])
def test_a_rename_is_a_delete_and_a_create_and_is_said(prune: bool) -> None:
    world = applied()
    plan = world.apply(SITE.replace("often", "hourly"), prune=prune)
    assert ("trigger", "hourly", "create") in shown(plan)
    assert ("trigger", "often", "delete" if prune else "unchanged") in shown(plan)
    assert "the same as 'often', which is no longer in the file" in notes(plan, "hourly")
    assert "a rename is a delete and a create" in notes(plan, "hourly")


# --- rows that somebody damaged


def test_a_row_that_is_broken_is_written_again_though_the_file_is_the_same() -> None:
    world = applied()
    world.put(replace(world.trigger("often"), broken="kind: not text"))
    plan = world.apply(SITE)
    assert shown(plan) == {("trigger", "often", "update")}
    assert notes(plan, "often") == "is broken and will be written again: kind: not text"
    assert [one.text is not None for one in plan.triggers] == [True]
    assert world.trigger("often").broken is None
    assert world.plan(SITE).is_empty


@pytest.mark.parametrize("config", [{}, {"interval": 1e308}, {"interval": "\ud800"}, {"x": [None]}])
def test_a_config_that_was_changed_by_hand_is_put_right(config: dict[str, object]) -> None:
    world = applied()
    world.put(replace(world.trigger("often"), config=config, broken="what it is"))
    plan = world.apply(SITE)
    assert changed(plan, "often")["interval"][1] == "10m"
    assert world.plan(SITE).is_empty


def test_a_binding_whose_trigger_is_gone_is_bound_again() -> None:
    world = applied()
    world.put(replace(world.binding("often.ping"), trigger_id=TriggerId(12_345)))
    plan = world.apply(SITE)
    assert changed(plan, "often.ping") == {"trigger": ("(12345)", "often")}
    assert world.binding("often.ping").trigger_id == world.trigger("often").id


# --- what a plan shows


def test_secrets_are_not_shown_and_references_are() -> None:
    text = (
        "version: 1\n"
        "workloads:\n"
        "  any:\n"
        "    kind: work\n"
        "    config:\n"
        "      Authorization: Bearer hush\n"
        "      API_KEY: hush\n"
        "      DB_PASSWORD: ${env:PATH}\n"
        "      url: https://me:hush@example.org/x\n"
        "      BRANCH: main\n"
    )
    world = World()
    plan = world.apply(text)
    assert "hush" not in str(plan.differences)
    assert changed(plan, "any") == {
        "kind": (None, "work"),
        "config.Authorization": (None, "(hidden)"),
        "config.API_KEY": (None, "(hidden)"),
        "config.DB_PASSWORD": (None, "${env:PATH}"),
        "config.url": (None, "https://(hidden)@example.org/x"),
        "config.BRANCH": (None, "main"),
    }
    edit = world.plan(text.replace("KEY: hush", "KEY: shush"))
    assert [one.changes for one in edit.differences] == [
        (Change(field="config.API_KEY", before="(hidden)", after="(hidden)"),)
    ]


def test_a_trigger_that_follows_no_workload_is_warned_about() -> None:
    text = SITE.replace("triggers:", "triggers:\n  tell: {kind: run, workloads: [sites]}")
    assert World().plan(text).warnings == (
        "triggers.tell: it follows no workload that is here; it never fires",
    )
    assert World().plan(text.replace("[sites]", "[site]")).warnings == ()


def test_ten_thousand_triggers_are_compared_in_a_moment() -> None:
    rows = "".join(
        f'  t{number}: {{kind: schedule, cron: "{number % 60} 3 * * *"}}\n'
        for number in range(10_000)
    )
    text = f"version: 1\ntriggers:\n{rows}"
    world = applied(text)
    document = understood(text)
    terms = world.terms()
    began = time.process_time()
    plan = compare(document, world.catalog, terms)
    took = time.process_time() - began
    assert plan.is_empty
    assert plan.unchanged == 10_000
    assert took < 0.3
