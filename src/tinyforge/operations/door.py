"""Everything that a user can do, in one record: the only door for the web and for commands."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

from tinyforge.clock import Clock
from tinyforge.ids import show
from tinyforge.observe.events import Observe
from tinyforge.operations import doctor, manifests, runs, verify
from tinyforge.operations.admission import Admission
from tinyforge.operations.audit import Auditor
from tinyforge.operations.closing import Closing
from tinyforge.operations.deliveries import Deliveries
from tinyforge.operations.doctor import Doctor
from tinyforge.operations.endpoints import Endpoints, Knocks
from tinyforge.operations.events import Events
from tinyforge.operations.explain import Explain
from tinyforge.operations.fires import Firing
from tinyforge.operations.forecasts import Forecasts
from tinyforge.operations.keys import Keys
from tinyforge.operations.lists import Lists
from tinyforge.operations.live import Live
from tinyforge.operations.manifests import Manifests
from tinyforge.operations.objects import Objects
from tinyforge.operations.roles import Fires, Plans, Ticks, Vaults, Works
from tinyforge.operations.runs import Runs
from tinyforge.operations.seats import Seats
from tinyforge.operations.serving import Health, Serving
from tinyforge.operations.sightings import Sightings
from tinyforge.operations.tailing import Tail
from tinyforge.operations.tokens import Tokens
from tinyforge.operations.triggers import Triggers
from tinyforge.operations.verify import Verify
from tinyforge.operations.waiting import Waiting
from tinyforge.operations.windows import Windows
from tinyforge.operations.workloads import Workloads
from tinyforge.plugins import Plugins
from tinyforge.plugins.masks import Masks
from tinyforge.store.port import Access, Inbox


class Store(Access, Inbox, doctor.Examined, manifests.Store, runs.Queue, verify.Ledger, Protocol):
    """What all operations together ask of a database."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The rooms below, as the composition root has put them together."""

    store: Store
    plugins: Plugins
    plans: Plans
    vault: Vaults
    fires: Fires
    ticks: Ticks
    works: Works
    clock: Clock
    observe: Observe
    serving: Serving
    knocks: Knocks | None = None  # None: no server runs


@dataclass(frozen=True, kw_only=True)
class Watching:
    """What goes on for as long as somebody looks."""

    live: Live
    tail: Tail
    waiting: Waiting
    seats: Seats
    closing: Closing


@dataclass(frozen=True, kw_only=True)
class Operations:
    triggers: Triggers
    workloads: Workloads
    events: Events
    deliveries: Deliveries
    runs: Runs
    firing: Firing
    forecasts: Forecasts
    explain: Explain
    manifests: Manifests
    verify: Verify
    doctor: Doctor
    health: Health
    tokens: Tokens
    audit: Auditor
    admission: Admission
    lists: Lists
    objects: Objects
    windows: Windows
    watching: Watching
    sightings: Sightings
    endpoints: Endpoints
    keys: Keys


def open_door(parts: Parts) -> Operations:
    zone_data, masks = version("tzdata"), Masks(parts.plugins)
    events = Events(parts.store)
    auditor = Auditor(parts.store, parts.clock)
    works = Runs(parts.store, parts.works, parts.clock, auditor)
    firing = Firing(parts.store, parts.fires, events, parts.clock, parts.observe, auditor)
    endpoints = _endpoints(parts, auditor)
    lists, applying = Lists(parts.store, masks), _manifests(parts, firing, auditor)
    return Operations(
        triggers=Triggers(
            parts.store, parts.plans, parts.ticks, parts.clock, auditor, endpoints, masks
        ),
        workloads=Workloads(parts.store, works, masks),
        events=events,
        deliveries=Deliveries(
            parts.store, parts.fires, events, parts.plugins, parts.observe, auditor
        ),
        runs=works,
        firing=firing,
        forecasts=Forecasts(parts.store, parts.clock),
        explain=Explain(parts.store, events, parts.clock),
        manifests=applying,
        verify=Verify(parts.store, parts.serving, parts.clock, zone_data),
        doctor=_doctor(parts, zone_data),
        health=Health(parts.store, parts.serving, parts.clock),
        tokens=Tokens(parts.store, auditor, parts.clock),
        audit=auditor,
        admission=Admission(parts.store, parts.clock),
        lists=lists,
        objects=Objects(parts.store, lists, applying),
        windows=Windows(parts.store),
        watching=_watching(parts, works, events),
        sightings=Sightings(parts.clock),
        endpoints=endpoints,
        keys=Keys(parts.store, parts.vault, auditor),
    )


def _manifests(parts: Parts, firing: Firing, auditor: Auditor) -> Manifests:
    return Manifests(
        store=parts.store,
        plugins=parts.plugins,
        vault=parts.vault,
        allowance=parts.serving.allowance,
        plans=parts.plans,
        ticks=parts.ticks,
        firing=firing,
        clock=parts.clock,
        observe=parts.observe,
        auditor=auditor,
    )


def _endpoints(parts: Parts, auditor: Auditor) -> Endpoints:
    return Endpoints(
        reads=parts.store,
        plugins=parts.plugins,
        vault=parts.vault,
        serving=parts.serving,
        clock=parts.clock,
        auditor=auditor,
        knocks=parts.knocks,
    )


def _doctor(parts: Parts, zone_data: str) -> Doctor:
    return Doctor(
        parts.store, parts.serving, parts.clock, parts.plugins, zone_data, vault=parts.vault
    )


def _watching(parts: Parts, works: Runs, events: Events) -> Watching:
    clock, closing = parts.clock, Closing(parts.clock)
    seats = Seats(is_live=parts.serving.is_live)
    stream = show("srv", parts.serving.instance or 0)
    return Watching(
        live=Live(parts.store, works, seats, closing, clock, stream),
        tail=Tail(works, seats, closing, clock),
        waiting=Waiting(parts.store, events, closing, clock),
        seats=seats,
        closing=closing,
    )
