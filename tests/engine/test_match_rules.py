"""Rules over what a webhook brought, from the event to the results that are kept."""

from __future__ import annotations

import msgspec
import pytest

from tests.engine.house import House
from tinyforge.changes import Change
from tinyforge.model import Outcome

SECRET = "a secret of more than enough letters for anybody"
FAILED = (
    "when failed: event.payload.sender.name > 1 (event.payload.sender.name is absent):"
    ' Key not found in map : "name"'
)
RULES: tuple[tuple[dict[str, object] | None, Outcome, str], ...] = (
    (None, Outcome.MATCHED, "push main matched"),
    ({"branch": "main", "paths": ["web/**"]}, Outcome.MATCHED, "push main matched"),
    ({"branch": "dev"}, Outcome.NOT_MATCHED, "branch is main, not dev"),
    ({"paths": "docs/"}, Outcome.NOT_MATCHED, "no changed file under docs/"),
    ({"when": "event.payload.sender.id == 5"}, Outcome.MATCHED, "push main matched"),
    (
        {"when": "event.payload.sender.name > 1"},
        Outcome.MATCH_FAILED,
        FAILED,
    ),
)


def facts(change: Change) -> dict[str, object]:
    return {"changes": [msgspec.to_builtins(change)], "payload": {"sender": {"id": 5}}}


async def test_each_binding_says_why_it_matched_or_why_not(house: House) -> None:
    push = house.trigger("push", "github", secret=SECRET)
    for number, (rule, _, _) in enumerate(RULES):
        house.bind(push, house.workload(f"w{number}"), rule)
    assert await house.sweep()
    event = await house.fire(push, **facts(Change(event="push", branch="main", files=["web/a"])))
    results = await house.results(event)
    assert [(one.outcome, one.reason) for one in results] == [told[1:] for told in RULES]


@pytest.mark.parametrize(
    "change", [Change(event="push", branch="main", deleted=True), Change(event="ping")]
)
async def test_a_binding_without_a_rule_deploys_only_what_is_usual(
    house: House, change: Change
) -> None:
    push = house.trigger("push", "github", secret=SECRET)
    house.bind(push, house.workload("site"))
    assert await house.sweep()
    (result,) = await house.results(await house.fire(push, **facts(change)))
    assert result.outcome is Outcome.NOT_MATCHED
    assert result.reason.endswith(", not push")


async def test_a_rule_by_hand_that_makes_no_sense_is_broken_with_every_mistake(
    house: House,
) -> None:
    push = house.trigger("push", "github", secret=SECRET)
    house.bind(push, house.workload("site"), {"brnch": "x", "when": "event.x == 1"})
    assert await house.sweep()
    (binding,) = (await house.store.catalog()).bindings
    assert binding.broken is not None
    assert "brnch: unknown key; did you mean 'branch'?" in binding.broken
    assert "when: line 1, column 6: there is no event.x" in binding.broken
