from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.manifest.world import World, mistakes_in, understood
from tinyforge.errors import InvalidManifest
from tinyforge.manifest.export import export
from tinyforge.manifest.plan import Plan
from tinyforge.manifest.side import Action, Difference
from tinyforge.store.definition import text_of

SHORT, LONG = "s" * 22, "l" * 43
TELL = "new endpoint: the sender must be told; tinyforge trigger url {}"
UNSIGNED = "unsigned: whoever has its URL can send; keep it as you keep a password"
ENDS = "its endpoint ends: what is still sent there is answered 404"


def manifest(**triggers: str) -> str:
    lines = ["version: 1", "workloads: {site: {kind: command, command: [make]}}", "triggers:"]
    lines += [f"  {name}: {{{config}}}" for name, config in triggers.items()]
    lines += ["bindings:", *(f"  - {{trigger: {name}, workload: site}}" for name in triggers)]
    return "\n".join(lines)


def push(more: str = "") -> str:
    return f"kind: github, secret: s3cret{more}"


def of(plan: Plan, name: str) -> Difference:
    return next(one for one in plan.differences if one.what == "trigger" and one.name == name)


def shown(plan: Plan) -> str:
    return text_of(
        [
            (one.notes, [c.before for c in one.changes], [c.after for c in one.changes])
            for one in plan.differences
        ]
    )


def test_a_trigger_that_receives_is_given_an_endpoint_and_the_plan_says_so() -> None:
    world = World()
    plan = world.apply(manifest(push=push(), hub="kind: dockerhub"))
    assert of(plan, "push").notes == (TELL.format("push"),)
    assert of(plan, "hub").notes == (TELL.format("hub"), UNSIGNED)
    signed, unsigned = world.endpoint("push"), world.endpoint("hub")
    assert signed.path
    assert len(signed.path) == 22
    assert hashlib.sha256(signed.path.encode()).digest() == signed.sha256
    assert unsigned.path is None
    assert unsigned.sealed
    assert len(unsigned.sealed) == 43
    assert hashlib.sha256(unsigned.sealed).digest() == unsigned.sha256


def test_other_triggers_have_none() -> None:
    world = World()
    plan = world.apply(manifest(nightly="kind: schedule, interval: 5m", hand="kind: manual"))
    assert plan.endpoints == []
    assert (
        "endpoint: unknown key" in mistakes_in(manifest(hand=f"kind: manual, endpoint: {SHORT}"))[0]
    )


def test_no_two_are_given_the_same() -> None:
    world = World()
    world.apply(manifest(**{f"push{number}": push() for number in range(50)}))
    assert len({row.sha256 for row in world.endpoints()}) == 50


@pytest.mark.parametrize(
    "edited", [push(), push(", enabled: false"), push(", max_body: 2MiB"), "kind: gitea, secret: x"]
)
def test_what_was_generated_is_kept_through_apply_and_edit(edited: str) -> None:
    world = World()
    world.apply(manifest(push=push()))
    before = world.endpoint("push")
    plan = world.apply(manifest(push=edited))
    assert world.endpoint("push").sha256 == before.sha256
    assert TELL.format("push") not in shown(plan)


def test_a_written_endpoint_is_taken_as_it_is() -> None:
    world = World()
    plan = world.apply(manifest(push=push(f", endpoint: {SHORT}")))
    assert ("endpoint", None, SHORT) in [
        (c.field, c.before, c.after) for c in of(plan, "push").changes
    ]
    assert world.endpoint("push").path == SHORT
    assert world.plan(manifest(push=push(f", endpoint: {SHORT}"))).is_empty


def test_to_write_what_was_generated_changes_nothing() -> None:
    world = World()
    world.apply(manifest(push=push()))
    path = world.endpoint("push").path
    plan = world.plan(manifest(push=push(f", endpoint: {path}")))
    assert plan.is_empty
    assert plan.differences == []


def test_another_endpoint_alone_is_a_change_that_the_plan_shows() -> None:
    world = World()
    world.apply(manifest(push=push(f", endpoint: {SHORT}")))
    plan = world.apply(manifest(push=push(f", endpoint: {LONG}")))
    (difference,) = plan.differences
    assert (difference.action, difference.notes) == (Action.UPDATE, (TELL.format("push"),))
    assert [(c.before, c.after) for c in difference.changes] == [(SHORT, LONG)]
    assert plan.unchanged == 2
    assert world.endpoint("push").path == LONG


def test_the_endpoint_that_is_left_out_later_stays() -> None:
    world = World()
    world.apply(manifest(push=push(f", endpoint: {SHORT}")))
    assert world.plan(manifest(push=push())).is_empty


def test_a_secret_endpoint_is_never_shown() -> None:
    world = World()
    plan = world.apply(manifest(hub=f"kind: dockerhub, endpoint: {LONG}"))
    assert LONG not in shown(plan)
    assert "(hidden)" in shown(plan)
    assert world.endpoint("hub").sealed == LONG.encode()
    assert world.plan(manifest(hub=f"kind: dockerhub, endpoint: {LONG}")).is_empty
    assert LONG not in repr(plan)


@pytest.mark.parametrize("kind", ["kind: dockerhub", push()])
def test_a_reference_is_kept_as_one_and_its_value_nowhere(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOOK", LONG)
    world = World()
    text = manifest(hook=f'{kind}, endpoint: "${{env:HOOK}}"')
    plan = world.apply(text)
    row = world.endpoint("hook")
    assert (row.written, row.path, row.sealed) == ("${env:HOOK}", None, None)
    assert row.sha256 == hashlib.sha256(LONG.encode()).digest()
    assert LONG not in repr(plan) + shown(plan)
    assert world.plan(text).is_empty
    monkeypatch.setenv("HOOK", "x" * 43)
    assert of(world.plan(text), "hook").notes == (TELL.format("hook"),)


def test_a_reference_that_is_left_out_later_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", SHORT)
    world = World()
    world.apply(manifest(push=push(', endpoint: "${env:HOOK}"')))
    monkeypatch.delenv("HOOK")
    assert world.plan(manifest(push=push())).is_empty


def test_who_proves_nothing_any_more_needs_an_id_that_nobody_saw() -> None:
    world = World()
    world.apply(manifest(hub="kind: harbor, secret: s3cret"))
    seen = world.endpoint("hub")
    plan = world.apply(manifest(hub="kind: harbor"))
    assert of(plan, "hub").notes == (TELL.format("hub"), UNSIGNED)
    now = world.endpoint("hub")
    assert now.sha256 != seen.sha256
    assert now.path is None


def test_who_proves_itself_from_now_on_keeps_its_id() -> None:
    world = World()
    world.apply(manifest(hub="kind: harbor"))
    before = world.endpoint("hub")
    world.apply(manifest(hub="kind: harbor, secret: s3cret"))
    assert world.endpoint("hub") == replace(before, unsigned=False)


def test_a_kind_that_receives_nothing_ends_the_endpoint() -> None:
    world = World()
    world.apply(manifest(push=push()))
    plan = world.apply(manifest(push="kind: manual"))
    assert of(plan, "push").notes == (ENDS,)
    assert world.endpoints() == []


def test_each_secret_keeps_its_last_use_when_they_change_places() -> None:
    world = World()
    world.apply(manifest(push="kind: github, secret: [old, older]"))
    used = replace(world.endpoint("push"), used=(5, 3))
    world.catalog = replace(world.catalog, endpoints=[used])
    world.apply(manifest(push="kind: github, secret: [new, old]"))
    assert world.endpoint("push").used == (None, 5)
    world.apply(manifest(push="kind: github, secret: new"))
    assert world.endpoint("push").used == (None, None)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (push(", endpoint: short"), "endpoint: it is not 22 to 64 of A-Z a-z 0-9 _ -; leave it out"),
        (push(f", endpoint: {'x' * 65}"), "endpoint: it is not 22 to 64 of A-Z a-z 0-9 _ -"),
        (push(f", endpoint: {'x' * 21}/"), "endpoint: it is not 22 to 64 of A-Z a-z 0-9 _ -"),
        (push(f", endpoint: {'ä' * 22}"), "endpoint: it is not 22 to 64 of A-Z a-z 0-9 _ -"),
        (f"kind: dockerhub, endpoint: {'x' * 42}", "endpoint: it is not 43 to 64 of A-Z a-z 0-9 _ -"),
        (f"kind: harbor, endpoint: {SHORT}", "for its URL is all that its senders prove themselves by"),
        (push(', endpoint: "${env:NOT_THERE}"'), "NOT_THERE}: is not set in the server's environment"),
        (push(', endpoint: "${env:TINY}"'), "endpoint: what ${env:TINY} stands for is not 22 to 64"),
        (push(', endpoint: "${sealed:sec_0}"'), "endpoint: a sealed secret cannot stand here"),
        (push(", endpoint: [a]"), "endpoint: must be text, not a list"),
        ("kind: github, secret: ''", "secret: must not be empty"),
        ("kind: github, secret: ['', x]", "secret: must not be empty"),
        ("kind: github", "secret: is missing"),
        (push(", max_body: 65MiB"), "max_body: must be from 1 B to 64MiB"),
        (push(", max_body: 0"), "max_body: must be from 1 B to 64MiB"),
        (push(", max_body: big"), "max_body: 'big' is no size; write for example 500MiB"),
        ("kind: quay, max_body: 2MB", "max_body: '2MB' is no size"),
    ],
)  # fmt: skip
def test_a_mistake_says_what_and_the_fix(
    config: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY", "tiny-and-secret")
    (mistake,) = mistakes_in(manifest(push=config))
    assert "tinyforge.yaml:4: triggers.push." in mistake
    assert said in mistake
    assert "tiny-and-secret" not in mistake
    assert "x" * 21 not in mistake


def test_two_triggers_cannot_have_one_endpoint() -> None:
    both = manifest(a=push(f", endpoint: {SHORT}"), b=push(f", endpoint: {SHORT}"))
    (mistake,) = mistakes_in(both)
    assert "triggers.b.endpoint: is that of a too; give each its own" in mistake
    world = World()
    world.apply(manifest(a=push(f", endpoint: {SHORT}")))
    with pytest.raises(InvalidManifest, match=r"triggers\.b\.endpoint: is that of a too"):
        world.plan(manifest(a=push(), b=push(f", endpoint: {SHORT}")))


def test_two_triggers_may_change_their_endpoints_with_each_other() -> None:
    world = World()
    world.apply(manifest(a=push(f", endpoint: {SHORT}"), b=push(f", endpoint: {LONG}")))
    world.apply(manifest(a=push(f", endpoint: {LONG}"), b=push(f", endpoint: {SHORT}")))
    assert (world.endpoint("a").path, world.endpoint("b").path) == (LONG, SHORT)


def test_another_trigger_may_take_over_the_endpoint_of_one_that_goes() -> None:
    world = World()
    world.apply(manifest(old=push(f", endpoint: {SHORT}")))
    renamed = manifest(new=push(f", endpoint: {SHORT}"))
    with pytest.raises(InvalidManifest, match=r"triggers\.new\.endpoint: is that of old too"):
        world.plan(renamed)
    world.apply(renamed, prune=True)
    assert [row.path for row in world.endpoints()] == [SHORT]


def test_an_event_that_a_kind_never_sends_is_a_mistake() -> None:
    text = manifest(hub="kind: dockerhub").replace(
        "workload: site}", "workload: site, match: {events: [image, release]}}"
    )
    (mistake,) = mistakes_in(text)
    assert mistake.endswith(
        "bindings.hub.site.match.events[1]: its trigger never sends 'release'; remove it, or use image"
    )


def test_an_export_writes_what_is_no_secret_and_plans_as_no_change() -> None:
    world = World()
    world.apply(manifest(push=push(), hub="kind: dockerhub"))
    text = export(world.catalog, "manifest:default")
    assert f"endpoint: {world.endpoint('push').path}" in text.replace('"', "")
    assert "# triggers.hub: its endpoint is a secret and left out; --endpoints writes it" in text
    plan = world.plan(text)
    assert (plan.is_empty, plan.differences) == (True, [])


def test_an_export_that_is_asked_to_writes_all_of_them() -> None:
    world = World()
    world.apply(manifest(hub=f"kind: dockerhub, endpoint: {LONG}"))
    opened = {world.trigger("hub").id: LONG}
    text = export(world.catalog, "manifest:default", opened)
    assert f"endpoint: {LONG}" in text
    elsewhere = World()
    elsewhere.apply(text)
    assert elsewhere.endpoint("hub").sha256 == world.endpoint("hub").sha256
    assert world.plan(text).is_empty


def test_what_is_tried_without_a_server_resolves_nothing() -> None:
    assert not understood(manifest(push=push(f", endpoint: {SHORT}"))).mistakes
