"""What the tests of manifests plan against: the built-in kinds, and two that take anything."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path

from msgspec.structs import replace

from tinyforge.errors import InvalidManifest
from tinyforge.kinds import DeployContext, Match, Matcher, TriggerKind, WorkloadKind
from tinyforge.manifest.document import read
from tinyforge.manifest.entries import Document
from tinyforge.manifest.plan import Plan, Terms, compare
from tinyforge.model import Binding, Event, Json, Trigger, Workload
from tinyforge.plugins import Plugins
from tinyforge.store.port import Catalog, EndpointRow, EndpointWrite

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
HERE = "tests.manifest.world"
NOTHING = Catalog(generation=0, triggers=[], workloads=[], bindings=[], timings=[])
SITE = """\
version: 1
workloads:
  site: {kind: command, command: [./deploy.sh, site]}
  ping: {kind: http, url: "https://hooks.example.org/refresh"}
triggers:
  nightly: {kind: schedule, cron: "0 3 * * *", timezone: Europe/Berlin}
  often: {kind: schedule, interval: 10m}
bindings:
  - {trigger: nightly, workload: site}
  - {trigger: often, workload: ping}
"""


@dataclass(frozen=True, kw_only=True)
class Anything(TriggerKind):
    config: object = None
    more: object = None

    def matcher(self, rule: Json) -> Matcher:
        if "crash" in rule:
            raise ZeroDivisionError
        return _match


def _match(_event: Event) -> Match:
    return Match(True, "always")


@dataclass(frozen=True, kw_only=True)
class AnyWork(WorkloadKind):
    config: object = None
    more: object = None

    def deploy(self, context: DeployContext) -> None:
        context.log.write("done")


@lru_cache
def plugins() -> Plugins:
    groups = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]
    ours = [
        EntryPoint(name, value, group)
        for group, points in groups.items()
        for name, value in points.items()
    ]
    anything = EntryPoint("anything", f"{HERE}:Anything", "tinyforge.triggers")
    return Plugins([*ours, anything, EntryPoint("work", f"{HERE}:AnyWork", "tinyforge.workloads")])


def understood(text: str | bytes) -> Document:
    return read(text, "tinyforge.yaml", plugins())


def mistakes_in(text: str | bytes) -> tuple[str, ...]:
    """Return what a plan on an empty server says is wrong."""
    try:
        World().plan(text)
    except InvalidManifest as problem:
        return problem.mistakes
    return ()


class World:
    """A catalog, and what becomes of it when plans are applied."""

    def __init__(self) -> None:
        self.catalog = NOTHING
        self._ids = count(1)

    def plan(self, text: str | bytes, *, prune: bool = False, adopt: bool = False) -> Plan:
        return compare(understood(text), self.catalog, self.terms(prune=prune, adopt=adopt))

    def terms(self, *, prune: bool = False, adopt: bool = False) -> Terms:
        new_id = self._ids.__next__
        return Terms(plugins=plugins(), new_id=new_id, prune=prune, adopt=adopt)

    def apply(self, text: str | bytes, *, prune: bool = False, adopt: bool = False) -> Plan:
        plan = self.plan(text, prune=prune, adopt=adopt)
        triggers = {row.id: row for row in self.catalog.triggers}
        workloads = {row.id: row for row in self.catalog.workloads}
        bindings = {row.id: row for row in self.catalog.bindings}
        triggers.update((one.row.id, one.row) for one in plan.triggers)
        workloads.update((one.row.id, one.row) for one in plan.workloads)
        bindings.update((one.row.id, one.row) for one in plan.bindings)
        gone = {
            *(one.row.id for one in plan.triggers if one.deleted),
            *(one.row.id for one in plan.workloads if one.deleted),
            *(one.row.id for one in plan.bindings if one.deleted),
        }
        self._keep(
            [row for row in triggers.values() if row.id not in gone],
            [row for row in workloads.values() if row.id not in gone],
            [row for row in bindings.values() if row.id not in gone],
        )
        self._keep_endpoints(plan, gone)
        return plan

    def _keep_endpoints(self, plan: Plan, gone: set[int]) -> None:
        """Keep what would be sealed as it is, for nobody here has a key."""
        found: dict[int, EndpointRow | None] = {row.trigger_id: row for row in self.endpoints()}
        for one in plan.endpoints:
            if isinstance(one, EndpointWrite):
                found[one.trigger_id] = one.row
            else:
                sealed = one.secret.reveal().encode() if one.secret else one.row.sealed
                found[one.row.trigger_id] = replace(one.row, sealed=sealed, made_at=1)
        kept = [row for row in found.values() if row is not None and row.trigger_id not in gone]
        self.catalog = replace(self.catalog, endpoints=kept)

    def endpoints(self) -> list[EndpointRow]:
        return list(self.catalog.endpoints)

    def endpoint(self, trigger: str) -> EndpointRow:
        wanted = self.trigger(trigger).id
        return next(row for row in self.catalog.endpoints if row.trigger_id == wanted)

    def put(self, *rows: Trigger | Workload | Binding) -> None:
        """Put rows in, as the API or a person with SQL does; same id: in its place."""
        new = {row.id for row in rows}
        old = self.catalog
        self._keep(
            [
                *(row for row in old.triggers if row.id not in new),
                *(row for row in rows if isinstance(row, Trigger)),
            ],
            [
                *(row for row in old.workloads if row.id not in new),
                *(row for row in rows if isinstance(row, Workload)),
            ],
            [
                *(row for row in old.bindings if row.id not in new),
                *(row for row in rows if isinstance(row, Binding)),
            ],
        )

    def trigger(self, name: str) -> Trigger:
        return next(row for row in self.catalog.triggers if row.name == name)

    def workload(self, name: str) -> Workload:
        return next(row for row in self.catalog.workloads if row.name == name)

    def binding(self, name: str) -> Binding:
        return next(row for row in self.catalog.bindings if row.name == name)

    def names(self) -> set[str]:
        return {
            *(row.name for row in self.catalog.triggers),
            *(row.name for row in self.catalog.workloads),
            *(row.name for row in self.catalog.bindings),
        }

    def _keep(
        self, triggers: list[Trigger], workloads: list[Workload], bindings: list[Binding]
    ) -> None:
        self.catalog = Catalog(
            generation=self.catalog.generation + 1,
            triggers=triggers,
            workloads=workloads,
            bindings=bindings,
            timings=[],
            endpoints=self.catalog.endpoints,
        )
