"""The page about the manifest names every key that can be written, and no other."""

from __future__ import annotations

import re

import pytest

from tests.docs.tables import headings, page, rows, section
from tinyforge.kinds import DeployContext, RunLog
from tinyforge.manifest import endpoints, entries
from tinyforge.model import Event, EventId, TriggerId
from tinyforge.plugins import Plugins, Role
from tinyforge.store import definition
from tinyforge.workloads.account import account
from tinyforge.workloads.environment import EVENT_FILE, OURS, TOLD, environment

PAGE = page("reference/manifest.md")
PLUGINS = Plugins.discover()
ROLES: dict[str, Role] = {"Triggers": "trigger", "Workloads": "workload"}
BUILT_IN = {
    "trigger": {
        "schedule",
        "manual",
        "run",
        "github",
        "gitlab",
        "gitea",
        "bitbucket",
        "webhook",
        "ghcr",
        "dockerhub",
        "harbor",
        "quay",
        "distribution",
        "acr",
    },
    "workload": {"command", "http"},
}


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("## At the top", entries.MANIFEST_KEYS),
        ("## Every workload", definition.WORKLOAD_KEYS),
        ("## Every trigger", definition.TRIGGER_KEYS),
        ("## Every trigger that receives webhooks", endpoints.KEYS),
        ("## Every binding", definition.BINDING_KEYS),
    ],
)
def test_every_common_key_is_described(heading: str, keys: tuple[str, ...]) -> None:
    assert set(rows(section(PAGE, heading))) == set(keys)


def test_every_kind_has_a_section() -> None:
    described: dict[str, set[str]] = {"trigger": set(), "workload": set()}
    for heading in headings(PAGE, 2):
        if found := re.fullmatch(r"(Triggers|Workloads) of kind `(\w+)`", heading):
            described[ROLES[found[1]]].add(found[2])
    assert described == BUILT_IN
    assert described["trigger"] <= set(PLUGINS.trigger_kinds())
    assert described["workload"] <= set(PLUGINS.workload_kinds())


@pytest.mark.parametrize(
    ("title", "kind"),
    [(title, kind) for title, role in ROLES.items() for kind in sorted(BUILT_IN[role])],
)
def test_every_key_of_a_kind_is_described(title: str, kind: str) -> None:
    tables = rows(section(PAGE, f"## {title} of kind `{kind}`"))
    described = {name: cells[0] == "yes" for name, cells in tables.items() if len(cells) > 1}
    fields = PLUGINS.fields(ROLES[title], kind)
    everywhere = endpoints.KEYS if PLUGINS.receives(kind) else ()
    own = {field.name: field.required for field in fields if field.name not in everywhere}
    assert described == own


class Unwritten(RunLog):
    def write(self, line: str) -> None:
        raise AssertionError(line)


def test_every_variable_of_a_command_is_described() -> None:
    event = Event(
        id=EventId(1),
        trigger_id=TriggerId(1),
        accepted_at=1,
        window=1,
        facts=dict.fromkeys(TOLD, "text"),
    )
    context = DeployContext(
        run="run_1",
        attempt=1,
        workload="site",
        trigger="nightly",
        trigger_kind="schedule",
        event_id="evt_1",
        event=event,
        log=Unwritten(),
    )
    built, notes = environment(account(None), context)
    assert not notes
    given = {name for name in built if name.startswith(OURS)} | {EVENT_FILE}
    tables = rows(section(PAGE, "## Workloads of kind `command`"))
    assert {name for name in tables if name.startswith(OURS)} == given
    assert all(f"`{name}`" in PAGE or f"`{name}=" in PAGE for name in built)
