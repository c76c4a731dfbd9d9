"""Everything that a user can do, in one record: the only door for the web and for commands."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

from tinyforge.clock import Clock
from tinyforge.observe.events import Observe
from tinyforge.operations import doctor, manifests, runs, verify
from tinyforge.operations.doctor import Doctor
from tinyforge.operations.events import Events
from tinyforge.operations.explain import Explain
from tinyforge.operations.fires import Firing
from tinyforge.operations.forecasts import Forecasts
from tinyforge.operations.manifests import Manifests
from tinyforge.operations.roles import Fires, Plans, Ticks, Works
from tinyforge.operations.runs import Runs
from tinyforge.operations.serving import Health, Serving
from tinyforge.operations.triggers import Triggers
from tinyforge.operations.verify import Verify
from tinyforge.operations.workloads import Workloads
from tinyforge.plugins import Plugins


class Store(doctor.Examined, manifests.Store, runs.Queue, verify.Ledger, Protocol):
    """What all operations together ask of a database."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The rooms below, as the composition root has put them together."""

    store: Store
    plugins: Plugins
    plans: Plans
    fires: Fires
    ticks: Ticks
    works: Works
    clock: Clock
    observe: Observe
    serving: Serving


@dataclass(frozen=True, kw_only=True)
class Operations:
    triggers: Triggers
    workloads: Workloads
    events: Events
    runs: Runs
    firing: Firing
    forecasts: Forecasts
    explain: Explain
    manifests: Manifests
    verify: Verify
    doctor: Doctor
    health: Health


def open_door(parts: Parts) -> Operations:
    zone_data = version("tzdata")
    events = Events(parts.store)
    works = Runs(parts.store, parts.works, parts.clock)
    firing = Firing(parts.store, parts.fires, events, parts.clock, parts.observe)
    return Operations(
        triggers=Triggers(parts.store, parts.plans, parts.ticks, parts.clock),
        workloads=Workloads(parts.store, works),
        events=events,
        runs=works,
        firing=firing,
        forecasts=Forecasts(parts.store, parts.clock),
        explain=Explain(parts.store, events, parts.clock),
        manifests=Manifests(
            store=parts.store,
            plugins=parts.plugins,
            plans=parts.plans,
            ticks=parts.ticks,
            firing=firing,
            clock=parts.clock,
            observe=parts.observe,
        ),
        verify=Verify(parts.store, parts.serving, parts.clock, zone_data),
        doctor=Doctor(parts.store, parts.serving, parts.clock, parts.plugins, zone_data),
        health=Health(parts.store, parts.serving, parts.clock),
    )
