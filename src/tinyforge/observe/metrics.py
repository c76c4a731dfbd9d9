"""The counts as Prometheus reads them. Apart from the tally, for its client is slow to import."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

import prometheus_client
from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from tinyforge.clock import SECOND
from tinyforge.observe import events
from tinyforge.observe.events import Happening
from tinyforge.observe.tally import OTHER, Seen, Spread, Tally

Labelled: TypeAlias = Iterable[tuple[tuple[str, ...], float]]

MOST_KINDS = 100

HAPPENED: Mapping[type[Happening], tuple[str, str]] = {
    events.TickBegan: ("scheduler_ticks", "Sweeps begun, those whose listing failed included"),
    events.ListingFailed: ("listing_failures", "Sweeps that could not list what is due"),
    events.RecordingFailed: ("recording_failures", "Times that nothing could be recorded"),
    events.ClockSetBack: ("clock_set_back", "Times that the clock was set back"),
    events.EventQuarantined: ("events_quarantined", "Events given up after three deaths"),
    events.HopLimitReached: ("hop_limit_reached", "Ends of runs that were not followed further"),
    events.FileDamaged: ("file_damaged", "Faults that the daily check found in the file"),
    events.HeartbeatFailed: ("heartbeat_failures", "Calls of the heartbeat URL that failed"),
    events.ManifestRefused: ("manifests_refused", "Manifests refused for their mistakes"),
}


class Metrics(Collector):
    """One page of metrics. *ready* and *dropped* are asked each time it is made."""

    def __init__(
        self, tally: Tally, ready: Callable[[], bool], dropped: Callable[[], int], version: str
    ) -> None:
        self._tally = tally
        self._ready = ready
        self._dropped = dropped
        self._version = version
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """Return the page in Prometheus' text format."""
        return prometheus_client.generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        tally = self._tally
        for happening, (name, text) in HAPPENED.items():
            yield _counter(name, text, _one(tally.happened[happening]))
        yield from _windows(tally)
        yield from _work(tally)
        yield from _outside(tally)
        yield from _deliveries(tally)
        yield from _database(tally)
        if tally.seen is not None:
            yield from _sharing(tally.seen)
        yield from self._server()

    def _server(self) -> Iterator[Metric]:
        build = [((self._version, platform.python_version()), 1.0)]
        yield _gauge("build_info", "What runs", build, ("version", "python"))
        yield _gauge("ready", "1 while windows can be recorded", _one(self._ready()))
        yield _gauge(
            "manifest_mistakes",
            "Mistakes in the manifest read last; 0: it was applied",
            _one(self._tally.mistakes),
        )
        yield _counter("log_lines_dropped", "Log lines nobody took", _one(self._dropped()))


def _windows(tally: Tally) -> Iterator[Metric]:
    yield _counter(
        "windows",
        "Windows decided; reason is set for skipped ones",
        tally.windows.items(),
        ("decision", "reason"),
    )
    yield _counter("catch_ups", "Fires that made up for windows passed over", _one(tally.catch_ups))
    lateness = [((), tally.lateness)]
    yield _histogram("window_lateness_seconds", "From the window to its decision", lateness)
    yield _gauge(
        "oldest_undecided_window_seconds",
        "Age of the oldest due window without a decision when last counted; 0: none",
        _one(tally.oldest_undecided / SECOND),
    )
    if tally.fires_by_name is not None:
        by_name = _one_label(tally.fires_by_name)
        yield _counter("trigger_fires", "Windows fired, by trigger", by_name, ("trigger",))


def _work(tally: Tally) -> Iterator[Metric]:
    yield _counter(
        "scheduler_dispatched", "Windows whose fan-out is stored", _one(tally.dispatched)
    )
    results = _one_label(tally.results)
    yield _counter("results", "Bindings of events decided", results, ("outcome",))
    yield _counter("runs_started", "Attempts begun", _one(tally.started))
    yield _counter(
        "runs_ended",
        "Attempts ended; state queued: it will be tried again",
        tally.ended.items(),
        ("kind", "state"),
    )
    times = (((kind,), spread) for kind, spread in tally.run_times.items())
    yield _histogram("run_duration_seconds", "Length of attempts", times, ("kind",))
    recovered = _one_label(tally.recovered)
    yield _counter("runs_recovered", "Runs whose worker died", recovered, ("fate",))


def _outside(tally: Tally) -> Iterator[Metric]:
    unproved = _one_label(tally.unproved)
    yield _counter("calls_refused", "Calls without a proof", unproved, ("reason",))
    deliveries = _one_label(tally.turned_away)
    yield _counter("deliveries_turned_away", "Deliveries ended at the door", deliveries, ("why",))
    connections = _one_label(tally.closed)
    yield _counter("connections_turned_away", "Connections closed", connections, ("why",))


def _deliveries(tally: Tally) -> Iterator[Metric]:
    yield _counter(
        "deliveries",
        "Deliveries that proved themselves, by what they were taken as",
        tally.deliveries.items(),
        ("kind", "taken"),
    )
    yield _counter(
        "deliveries_refused",
        "Deliveries of which nothing is kept",
        tally.refused.items(),
        ("kind", "why"),
    )


def _database(tally: Tally) -> Iterator[Metric]:
    yield _histogram("commit_duration_seconds", "Length of commits", [((), tally.commits)])
    operations = _one(tally.operations)
    yield _counter("commit_operations", "Operations that shared those commits", operations)
    counts = tally.counts
    if counts is None:
        return
    kinds = _one_label(_largest(counts.triggers))
    yield _gauge("triggers", "Triggers", kinds, ("kind",))
    yield _gauge("triggers_paused", "Triggers paused by a person", _one(counts.paused))
    yield _gauge("broken_rows", "Rows not served", _one_label(counts.broken), ("what",))
    yield _gauge("unplanned_rows", "Rows changed by hand, not read yet", _one(counts.unplanned))
    yield _gauge("open_events", "Events accepted, not fanned out", _one(counts.open_events))
    yield _gauge("queue_length", "Runs that wait", _one(counts.runs.get("queued", 0)))
    yield _gauge(
        "oldest_ready_run_seconds",
        "For how long the run has waited that waits longest; 0: none",
        _one(tally.oldest_ready / SECOND),
    )
    yield _gauge("unplaced_runs", "Runs that no live server may take", _one(counts.unplaced))
    yield _gauge("runs_running", "Runs at work", _one(counts.runs.get("running", 0)))


def _sharing(seen: Seen) -> Iterator[Metric]:
    yield _gauge("servers", "Servers that live", _one_label(seen.servers), ("version",))
    ours = [((str(seen.number), seen.labels), 1.0)]
    yield _gauge("server_info", "This server", ours, ("server", "labels"))
    if seen.clock_off is not None:
        text = "How far this machine's clock is ahead of the database's"
        yield _gauge("clock_off_seconds", text, _one(seen.clock_off / SECOND))
    if seen.oldest_transaction is not None:
        oldest = _one(seen.oldest_transaction / SECOND)
        yield _gauge("database_oldest_transaction_seconds", "Age of the oldest one", oldest)
    for name, rows in (("live", seen.live_rows), ("dead", seen.dead_rows)):
        if rows:
            text = f"Rows that are {name}, as the database estimates"
            yield _gauge(f"database_{name}_rows", text, _one_label(rows), ("table",))


def _largest(counts: Mapping[str, int]) -> Mapping[str, int]:
    """Return few enough; a row put in by hand may hold any text."""
    largest = dict(Counter(counts).most_common(MOST_KINDS))
    others = sum(counts.values()) - sum(largest.values())
    return largest | {OTHER: others} if others else largest


def _one(value: float) -> Labelled:
    return [((), value)]


def _one_label(counts: Mapping[str, int]) -> Labelled:
    return (((label,), count) for label, count in counts.items())


def _counter(name: str, text: str, values: Labelled, labels: Iterable[str] = ()) -> Metric:
    family = CounterMetricFamily(f"tinyforge_{name}", f"{text}.", labels=tuple(labels))
    for label, value in values:
        family.add_metric(label, value)
    return family


def _gauge(name: str, text: str, values: Labelled, labels: Iterable[str] = ()) -> Metric:
    family = GaugeMetricFamily(f"tinyforge_{name}", f"{text}.", labels=tuple(labels))
    for label, value in values:
        family.add_metric(label, value)
    return family


def _histogram(
    name: str,
    text: str,
    spreads: Iterable[tuple[tuple[str, ...], Spread]],
    labels: Iterable[str] = (),
) -> Metric:
    family = HistogramMetricFamily(f"tinyforge_{name}", f"{text}.", labels=tuple(labels))
    for label, spread in spreads:
        family.add_metric(label, _buckets(spread), spread.total / SECOND)
    return family


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    names = [f"{bound / SECOND:g}" for bound in spread.bounds] + ["+Inf"]
    found, so_far = [], 0
    for name, count in zip(names, spread.counts, strict=True):
        so_far += count
        found.append((name, float(so_far)))
    return found
