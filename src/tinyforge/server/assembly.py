"""The engine, put together from its parts over one store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinyforge.clock import Clock, Micros, SystemClock
from tinyforge.engine.bound import Bounds
from tinyforge.engine.byhand import HandChanges
from tinyforge.engine.deciding import Decider
from tinyforge.engine.endpoints import Directory
from tinyforge.engine.fanout import FanOut
from tinyforge.engine.floor import Floor
from tinyforge.engine.followers import Followers
from tinyforge.engine.inbox import Inbox
from tinyforge.engine.intake import Intake
from tinyforge.engine.janitor import Janitor
from tinyforge.engine.orders import Orders
from tinyforge.engine.pacer import Pacer
from tinyforge.engine.planning import Planner
from tinyforge.engine.recent import Recent
from tinyforge.engine.recovery import Recovery
from tinyforge.engine.runlog import LogKeeper
from tinyforge.engine.runner import Runner
from tinyforge.engine.ticker import Ticker, clamp
from tinyforge.engine.vault import Vault
from tinyforge.engine.watch import Watch
from tinyforge.observe.events import Observe
from tinyforge.plugins import Plugins
from tinyforge.sealing import Keyring
from tinyforge.settings import Settings
from tinyforge.store.port import Counts, Limits, Replica, Store, Strain


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What works while a server runs."""

    store: Store
    plugins: Plugins
    clock: Clock
    observe: Observe
    watch: Watch
    tick_interval: Micros
    planner: Planner
    intake: Intake
    inbox: Inbox
    directory: Directory
    ticker: Ticker
    runner: Runner
    recovery: Recovery
    logs: LogKeeper
    janitor: Janitor
    vault: Vault


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What an engine is put into."""

    store: Store
    plugins: Plugins
    clock: Clock
    observe: Observe
    counted: Callable[[Counts], None] = lambda _counts: None
    seen: Callable[[Sequence[Replica], Strain], None] = lambda _replicas, _strain: None


def assemble(around: Surroundings, settings: Settings) -> Engine:
    store, plugins, clock, observe = around.store, around.plugins, around.clock, around.observe
    tick_interval = clamp(settings.tick_interval, observe)
    watch = Watch(SystemClock(), observe)  # it measures the loop, whatever time a test says it is
    floor = Floor(settings.concurrency)
    fanout = FanOut(store, plugins, clock, observe, floor, watch)
    planner = Planner(plugins, tick_interval)
    recent = Recent()
    vault = Vault(Keyring(settings.key_path), store)
    orders = Orders(store, plugins, recent, vault)
    followers = Followers(store, plugins, observe)
    logs = LogKeeper(store, clock)
    pacer = Pacer(settings.catch_up_rate or 0)
    decider = Decider(store, fanout, Bounds(store, fanout), pacer, tick_interval)
    by_hand = HandChanges(store, planner, fanout, observe, vault)
    directory = Directory(store, plugins, vault, clock)
    return Engine(
        store=store,
        vault=vault,
        plugins=plugins,
        clock=clock,
        observe=observe,
        watch=watch,
        tick_interval=tick_interval,
        planner=planner,
        intake=Intake(fanout, clock),
        inbox=Inbox(store, fanout, directory, recent, clock, observe),
        directory=directory,
        ticker=Ticker(
            store, fanout, decider, by_hand, floor, recent, clock, observe, tick_interval
        ),
        runner=Runner(store, floor, fanout, orders, followers, logs, clock, observe, watch),
        recovery=Recovery(store, fanout, orders, followers, plugins, clock, observe),
        logs=logs,
        janitor=Janitor(store, clock, observe, _limits(settings), around.counted, around.seen),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        history=settings.keep_history,
        decisions=settings.keep_decisions,
        logs=settings.keep_logs,
        log_bytes=settings.keep_log_bytes,
        bodies=settings.keep_bodies,
        body_bytes=settings.keep_body_bytes,
    )
