from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.manifest.world import SITE, World, understood
from tinyforge.clock import SECOND, Micros
from tinyforge.manifest.entries import NAME
from tinyforge.manifest.export import export
from tinyforge.manifest.mistakes import Mistakes
from tinyforge.manifest.syntax import plain, read
from tinyforge.model import (
    Binding,
    BindingId,
    Json,
    Queue,
    Retry,
    Trigger,
    TriggerId,
    Workload,
    WorkloadId,
)
from tinyforge.store.definition import trigger_form

OWNER = "manifest:default"
TRICKY = [
    "1.10",
    "1:30",
    "0123",
    "0x1F",
    "0o17",
    "1e3",
    "+5",
    "no",
    "On",
    "YES",
    "off",
    "y",
    "N",
    "true",
    "Null",
    "~",
    ".inf",
    "-.NaN",
    "2026-01-05",
    "=",
    "<<",
    "2026-01-05T03:00:00Z",
    "1_000",
    "-0",
    "-",
    "--",
    "---",
    "...",
    "-c",
    "--flag",
    "?",
    ":",
    "::",
    "a:",
    "a:b",
    "a:b:",
    "#a",
    "a#b",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a",
    "{a}",
    "[a]",
    "a,b",
    "${env:PATH}",
    "./a",
    "../a",
    "/a",
    "'a'",
    '"',
    "|",
    ">",
    ".",
    ".5",
    "5.",
    "0",
    "7",
    "-7",
    "10m",
    "1h30m",
    "0b1",
    "nan",
    "inf",
    "é",
    "日本",
]
SPACES = [
    "",
    " ",
    " a",
    "a ",
    "a b",
    "a  b",
    "a #b",
    "a: b",
    "a\tb",
    "\t",
    "- a",
    "? a",
    "0 3 * * *",
]
LINES = [
    "a\nb",
    "a\nb\n",
    "a\n\nb",
    "a\n",
    "\na",
    " a\nb",
    "a\n b",
    "a\nb\n\n",
    "a \nb",
    "a\r\nb",
    "\n",
]
ODD = [
    "\x85",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\xa0",
    "\x7f",
    "\x1b[31m",
    "\\",
    '"',
    "\U0001f600",
    "\ufffe",
]

texts = st.sampled_from(TRICKY + SPACES + LINES + ODD) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
keys = texts.filter(bool)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
)
configs = st.dictionaries(st.sampled_from(["config", "more"]), values)
names = st.from_regex(NAME, fullmatch=True)
seconds = st.integers(1, 86_400).map(SECOND.__mul__)
rules = st.dictionaries(keys.filter(lambda key: key != "crash"), values, max_size=2)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Return rows as a manifest, the API or a person can have made them."""
    world = World()
    ids = iter(range(1, 100))
    triggers = [
        Trigger(
            id=TriggerId(next(ids)),
            name=name,
            kind="anything",
            config=config,
            enabled=enabled,
            managed_by=OWNER,
        )
        for name, config, enabled in draw(
            st.lists(st.tuples(names, configs, st.booleans()), max_size=3, unique_by=_first)
        )
    ]
    workloads = [
        draw(_workloads(WorkloadId(next(ids)), name))
        for name in draw(st.lists(names, max_size=3, unique=True))
    ]
    bindings = [
        Binding(
            id=BindingId(next(ids)),
            name=name,
            trigger_id=draw(st.sampled_from(triggers)).id,
            workload_id=draw(st.sampled_from(workloads)).id,
            rule=draw(rules),
            enabled=draw(st.booleans()),
            managed_by=OWNER,
        )
        for name in (draw(st.sets(names, max_size=3)) if triggers and workloads else ())
    ]
    world.put(*triggers, *workloads, *bindings)
    return world


def _first(row: tuple[str, Json, bool]) -> str:
    return row[0]


@st.composite
def _workloads(draw: st.DrawFn, workload_id: WorkloadId, name: str) -> Workload:
    timeout: Micros = draw(seconds)
    return Workload(
        id=workload_id,
        name=name,
        kind="work",
        config=draw(configs),
        queue=draw(st.sampled_from(Queue)),
        timeout=timeout,
        retry=Retry(attempts=draw(st.integers(1, 20)), backoff=draw(seconds)),
        idempotent=draw(st.none() | st.booleans()),
        on=draw(st.sampled_from([(), ("host=web1",), ("disk=ssd", "host=web1")])),
        managed_by=OWNER,
    )


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_what_is_exported_plans_as_no_change(world: World) -> None:
    plan = world.plan(export(world.catalog, OWNER), prune=True)
    assert plan.is_empty
    assert plan.differences == []


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_readers_of_yaml_1_1_see_the_same_in_an_export(world: World) -> None:
    text = export(world.catalog, OWNER)
    ours = plain(read(text, Mistakes("f")))
    assert yaml.load(text, Loader=yaml.CSafeLoader) == ours


@settings(max_examples=50, deadline=None)
@given(worlds())
def test_an_export_on_an_empty_server_makes_the_same_rows(world: World) -> None:
    text = export(world.catalog, OWNER)
    other = World()
    other.apply(text)
    assert export(other.catalog, OWNER) == text


@given(texts)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    world = World()
    world.put(Trigger(id=TriggerId(1), name="x", kind="anything", config={"config": {text: text}}))
    document = understood(export(world.catalog))
    assert len(document.mistakes) == (0 if text else 1)  # a key cannot be empty
    if text:
        assert document.triggers["x"].config == {"config": {text: text}}


def test_an_export_is_in_block_style_in_a_stable_order_and_without_what_is_usual() -> None:
    world = World()
    world.apply(
        SITE + "  - {trigger: nightly, workload: ping, name: again, match: {}, enabled: false}\n"
    )
    assert export(world.catalog, OWNER) == (
        "# All that manifest:default has, by `tinyforge export`.\n"
        "# `tinyforge plan` finds nothing to change in it.\n"
        "version: 1\n"
        "\n"
        "workloads:\n"
        "  ping:\n"
        "    kind: http\n"
        "    url: https://hooks.example.org/refresh\n"
        "  site:\n"
        "    kind: command\n"
        "    command:\n"
        "      - ./deploy.sh\n"
        "      - site\n"
        "\n"
        "triggers:\n"
        "  nightly:\n"
        "    kind: schedule\n"
        '    cron: "0 3 * * *"\n'
        "    timezone: Europe/Berlin\n"
        "  often:\n"
        "    kind: schedule\n"
        "    interval: 10m\n"
        "\n"
        "bindings:\n"
        "  - name: again\n"
        "    trigger: nightly\n"
        "    workload: ping\n"
        "    enabled: false\n"
        "  - trigger: nightly\n"
        "    workload: site\n"
        "  - trigger: often\n"
        "    workload: ping\n"
    )


def test_a_script_of_several_lines_stays_readable() -> None:
    world = World()
    script = 'set -e\n\nif true; then\n  echo "it\'s: # fine"\nfi\n'
    config = {"config": [script]}
    world.put(Trigger(id=TriggerId(1), name="x", kind="anything", config=config, managed_by=OWNER))
    text = export(world.catalog, OWNER)
    assert (
        '      - |\n        set -e\n\n        if true; then\n          echo "it\'s: # fine"\n'
        in text
    )
    assert world.plan(text).is_empty


def test_another_manifest_keeps_its_name() -> None:
    world = World()
    world.apply(SITE)
    world.apply("version: 1\nname: on\ntriggers: {mine: {kind: manual}}\n")
    text = export(world.catalog, "manifest:on")
    assert 'name: "on"' in text
    assert "nightly" not in text
    assert world.plan(text, prune=True).differences == []


def test_all_rows_can_be_exported_to_become_the_property_of_one_file() -> None:
    world = World()
    world.apply(SITE)
    world.put(Trigger(id=TriggerId(900), name="by-api", kind="manual", config={}))
    text = export(world.catalog)
    assert "--adopt" in text.splitlines()[1]
    plan = world.apply(text, adopt=True)
    assert [(one.name, one.action) for one in plan.differences] == [("by-api", "adopt")]


def test_what_deploy_made_is_not_config_and_not_exported() -> None:
    world = World()
    world.apply(SITE)
    trigger = Trigger(id=TriggerId(900), name="deploy.site", kind="manual", config={})
    site = world.workload("site").id
    binding = Binding(
        id=BindingId(901), name="deploy.site.site", trigger_id=trigger.id, workload_id=site
    )
    world.put(trigger, binding)
    assert "deploy.site" not in export(world.catalog)


def test_a_broken_row_is_left_out_and_said_on_one_line() -> None:
    world = World()
    world.apply(SITE)
    world.put(replace(world.trigger("often"), broken="interval: '\n' is\nnot a duration"))
    text = export(world.catalog, OWNER)
    (line,) = (line for line in text.splitlines() if "broken" in line)
    assert line.startswith("# triggers.often is broken and left out: ")
    assert "is\\nnot a duration" in line
    assert not understood(text.replace("  - trigger: often\n    workload: ping\n", "")).mistakes


def test_a_key_that_is_too_long_for_one_line_is_written_the_long_way() -> None:
    world = World()
    config = {"config": {"k" * 2_000: {"a": ["b"]}, "l" * 2_000: "c"}}
    world.put(Trigger(id=TriggerId(1), name="x", kind="anything", config=config, managed_by=OWNER))
    assert world.plan(export(world.catalog, OWNER)).is_empty


@pytest.mark.parametrize(("fraction", "text"), [(1.5, "1.5"), (1e308, "1e+308")])
def test_a_fraction_that_somebody_put_in_is_the_text_of_it(fraction: float, text: str) -> None:
    row = Trigger(id=TriggerId(1), name="x", kind="anything", config={"config": [fraction]})
    assert trigger_form(row)["config"] == [text]


def test_an_empty_server_exports_an_empty_manifest() -> None:
    assert not understood(export(World().catalog)).mistakes
