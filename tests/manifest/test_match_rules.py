"""Match rules in a manifest: every mistake on its line, and `when` beside `match`."""

from __future__ import annotations

import pytest

from tests.manifest.world import World, mistakes_in
from tinyforge.manifest.export import export

HOOKS = """\
version: 1
workloads:
  site: {{kind: command, command: [./deploy.sh, site]}}
triggers:
  push: {{kind: github, secret: "a secret of more than enough letters for anybody"}}
  hub: {{kind: dockerhub}}
  night: {{kind: schedule, interval: 1h}}
  button: {{kind: manual}}
bindings:
  - trigger: {0}
    workload: site
    match: {1}
    when: {2}
"""


@pytest.mark.parametrize(
    ("trigger", "match", "when", "mistakes"),
    [
        ("push", "{branch: main, paths: [web/**]}", "event.pusher != 'bot'", []),
        ("push", "{brnch: main}", "", ["12: bindings.push.site.match.brnch: unknown key; did you"]),
        (
            "push",
            "\n      branch: main\n      paths:\n        - web/**\n        - a[b",
            "event.x == 1",
            [
                "16: bindings.push.site.match.paths[1]: a [ is not closed; close it",
                "17: bindings.push.site.when: line 1, column 6: there is no event.x; ",
            ],
        ),
        ("push", "{when: 'true'}", "", ["12: bindings.push.site.match.when: stands beside"]),
        ("push", "", "[true]", ["13: bindings.push.site.when: must be text, not a list"]),
        ("hub", "{branch: main}", "", ["12: bindings.hub.site.match.branch: its trigger never sa"]),
        ("night", "{branch: main}", "", ["12: bindings.night.site.match: a schedule's events"]),
        ("night", "", "event.branch == ''", ["13: bindings.night.site.when: a schedule's events"]),
        ("button", "", "event.branch == ''", ["13: bindings.button.site.when: only triggers that"]),
    ],
)
def test_each_mistake_is_told_with_its_line_and_field(
    trigger: str, match: str, when: str, mistakes: list[str]
) -> None:
    found = mistakes_in(HOOKS.format(trigger, match, f'"{when}"' if " " in when else when))
    assert len(found) == len(mistakes)
    for line, mistake in zip(found, mistakes, strict=True):
        assert line.startswith(f"tinyforge.yaml:{mistake}")


def test_when_comes_back_beside_match_and_a_plan_shows_that_it_changed() -> None:
    world = World()
    world.apply(HOOKS.format("push", "{branch: main}", "\"event.pusher != 'bot'\""))
    (binding,) = world.catalog.bindings
    assert binding.rule == {"branch": "main", "when": "event.pusher != 'bot'"}
    text = export(world.catalog, "manifest:default")
    assert "    match:\n      branch: main\n    when: \"event.pusher != 'bot'\"\n" in text
    other = World()
    other.apply(text)
    assert other.catalog.bindings[0].rule == binding.rule

    plan = world.plan(HOOKS.format("push", "{branch: main}", "event.forced"))
    (change,) = [change for one in plan.differences for change in one.changes]
    assert (change.field, change.before, change.after) == (
        "when",
        "event.pusher != 'bot'",
        "event.forced",
    )
