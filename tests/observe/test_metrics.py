from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from tests.observe.happenings import CATCH_UP, NOON, ended, ends, fired, fires, refusals
from tinyforge.clock import MINUTE, SECOND, Moment
from tinyforge.model import Outcome, RunId, RunState, TriggerId
from tinyforge.observe import events
from tinyforge.observe.events import Happening
from tinyforge.observe.metrics import Metrics
from tinyforge.observe.tally import MOST_NAMES, Seen, Spread, Tally


class Standing(Struct, frozen=True, kw_only=True):
    triggers: Mapping[str, int]
    broken: Mapping[str, int]
    paused: int
    runs: Mapping[str, int]
    oldest_undecided: Moment | None
    open_events: int
    unplanned: int
    unplaced: int
    oldest_ready: Moment | None


STANDING = Standing(
    triggers={"schedule": 5, "manual": 1},
    broken={"trigger": 1},
    paused=2,
    runs={"queued": 7, "running": 3},
    oldest_undecided=NOON - MINUTE,
    open_events=4,
    unplanned=6,
    unplaced=2,
    oldest_ready=NOON - 2 * MINUTE,
)
SHARED = Seen(
    servers={"1.0": 2, "1.1": 1},
    number=2,
    labels="disk=ssd,host=web1",
    clock_off=-3 * SECOND,
    oldest_transaction=90 * SECOND,
    live_rows={"runs": 10},
    dead_rows={"runs": 500},
)


class Page:
    """A page of metrics as a scraper reads it."""

    def __init__(self, tally: Tally, *, ready: bool = True, dropped: int = 0) -> None:
        metrics = Metrics(tally, ready=lambda: ready, dropped=lambda: dropped, version="1.2.3")
        self.text = metrics.render().decode()
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self._values.get((f"tinyforge_{name}", frozenset(labels.items())))


def after(*happenings: Happening, names: bool = False) -> Page:
    tally = Tally(names=names)
    for happening in happenings:
        tally(happening)
    return Page(tally)


def test_a_sweep_is_counted_also_when_its_listing_fails() -> None:
    page = after(events.TickBegan(), events.TickBegan(), events.ListingFailed(problem="disk"))
    assert page.value("scheduler_ticks_total") == 2
    assert page.value("listing_failures_total") == 1


def test_a_fire_is_dispatched_when_its_fan_out_is_stored() -> None:
    assert after(fires(fired())).value("scheduler_dispatched_total") == 0
    assert after(fires(fired()), refusals()).value("scheduler_dispatched_total") == 1


def test_windows_are_counted_by_decision() -> None:
    skipped = events.WindowsSkipped(
        trigger_id=TriggerId(1), trigger="a", reason="late", oldest=0, newest=1, count=12
    )
    page = after(CATCH_UP, fires(fired(), fired(folded=None)), skipped)
    assert page.value("windows_total", decision="fired", reason="") == 3
    assert page.value("windows_total", decision="folded", reason="") == 2 + 101
    assert page.value("windows_total", decision="skipped", reason="late") == 12
    assert page.value("catch_ups_total") == 1


def test_lateness_falls_into_buckets_that_add_up() -> None:
    page = after(fires(fired(late_by=900), fired(late_by=1_000), fired(late_by=1_001)))
    assert page.value("window_lateness_seconds_bucket", le="0.001") == 2
    assert page.value("window_lateness_seconds_bucket", le="0.0025") == 3
    assert page.value("window_lateness_seconds_bucket", le="+Inf") == 3
    assert page.value("window_lateness_seconds_count") == 3
    assert page.value("window_lateness_seconds_sum") == 0.002901


@given(st.lists(st.integers(0, 10_000)), st.lists(st.integers(0, 10_000)))
def test_a_spread_counts_each_length_once_however_it_is_given(
    first: list[int], second: list[int]
) -> None:
    batches, single = Spread(1, 2, 5), Spread(1, 2, 5)
    batches.add(first)
    batches.add(second)
    for length in second + first:
        single.add([length])
    assert batches.counts == single.counts
    assert sum(batches.counts) == len(first + second)
    assert batches.total == sum(first + second)


def test_results_are_counted_by_outcome() -> None:
    page = after(refusals(Outcome.NOT_MATCHED, Outcome.NOT_MATCHED, Outcome.MATCH_FAILED))
    assert page.value("results_total", outcome="matched") == 2
    assert page.value("results_total", outcome="not_matched") == 2
    assert page.value("results_total", outcome="match_failed") == 1


def test_runs_are_counted_by_their_end_and_timed() -> None:
    page = after(
        events.RunsStarted(runs=[RunId(1), RunId(2)]),
        ends(ended(RunState.SUCCEEDED, took=20_000), ended(RunState.FAILED, took=2_000_000)),
        events.RunsRecovered(requeued=[RunId(1)], interrupted=[]),
    )
    assert page.value("runs_started_total") == 2
    assert page.value("runs_ended_total", kind="command", state="succeeded") == 1
    assert page.value("runs_ended_total", kind="command", state="failed") == 1
    assert page.value("run_duration_seconds_bucket", kind="command", le="0.05") == 1
    assert page.value("run_duration_seconds_count", kind="command") == 2
    assert page.value("runs_recovered_total", fate="requeued") == 1


def test_commits_are_timed_and_their_operations_counted() -> None:
    page = after(events.Committed(operations=3, took=400), events.Committed(operations=5, took=600))
    assert page.value("commit_duration_seconds_bucket", le="0.0005") == 1
    assert page.value("commit_duration_seconds_count") == 2
    assert page.value("commit_operations_total") == 8


def test_troubles_are_counted() -> None:
    page = after(
        events.RecordingFailed(problem="full"),
        events.HeartbeatFailed(problem="refused"),
        events.ClockSetBack(by=MINUTE, planned_again=1),
    )
    assert page.value("recording_failures_total") == 1
    assert page.value("heartbeat_failures_total") == 1
    assert page.value("clock_set_back_total") == 1


def test_mistakes_of_a_manifest_stay_until_it_is_applied() -> None:
    refused = events.ManifestRefused(source="a.yaml", mistakes=["one", "two"])
    applied = events.ManifestApplied(source="a.yaml", changes=1)
    assert after(refused).value("manifest_mistakes") == 2
    assert after(refused, applied).value("manifest_mistakes") == 0


def test_what_the_store_counted_is_shown_once_it_was_counted() -> None:
    tally = Tally()
    assert Page(tally).value("queue_length") is None
    tally.set_counts(STANDING, NOON)
    page = Page(tally)
    assert page.value("queue_length") == 7
    assert page.value("runs_running") == 3
    assert page.value("triggers", kind="schedule") == 5
    assert page.value("triggers_paused") == 2
    assert page.value("broken_rows", what="trigger") == 1
    assert page.value("open_events") == 4
    assert page.value("unplanned_rows") == 6
    assert page.value("oldest_undecided_window_seconds") == 60
    assert page.value("oldest_ready_run_seconds") == 120
    assert page.value("unplaced_runs") == 2


def test_servers_and_the_database_that_they_share_are_shown_once_seen() -> None:
    tally = Tally()
    assert Page(tally).value("servers", version="1.0") is None
    tally.seen = SHARED
    page = Page(tally)
    assert (page.value("servers", version="1.0"), page.value("servers", version="1.1")) == (2, 1)
    assert page.value("server_info", server="2", labels="disk=ssd,host=web1") == 1
    assert page.value("clock_off_seconds") == -3
    assert page.value("database_oldest_transaction_seconds") == 90
    assert page.value("database_live_rows", table="runs") == 10
    assert page.value("database_dead_rows", table="runs") == 500


def test_a_file_has_no_clock_and_no_transactions_of_its_own() -> None:
    tally = Tally()
    alone = replace(SHARED, clock_off=None, oldest_transaction=None, live_rows={}, dead_rows={})
    tally.seen = alone
    text = Page(tally).text
    assert "tinyforge_servers" in text
    assert "clock_off" not in text
    assert "tinyforge_database_" not in text


def test_kinds_that_somebody_invents_by_hand_share_one_series() -> None:
    tally = Tally()
    kinds = {f"nonsense {number}": 1 for number in range(500)}
    tally.set_counts(replace(STANDING, triggers=kinds | {"schedule": 5}), NOON)
    page = Page(tally)
    assert page.value("triggers", kind="schedule") == 5
    assert page.value("triggers", kind="other") == 401


def test_the_server_shows_its_build_readiness_and_lost_log_lines() -> None:
    page = Page(Tally(), ready=False, dropped=9)
    assert page.value("ready") == 0
    assert page.value("log_lines_dropped_total") == 9
    assert 'tinyforge_build_info{python="3.' in page.text
    assert 'version="1.2.3"' in page.text
    assert "process_resident_memory_bytes" in page.text


def test_names_of_triggers_stay_out_unless_asked_for() -> None:
    assert "nightly" not in after(fires(fired("nightly"))).text
    page = after(fires(fired("nightly")), names=True)
    assert page.value("trigger_fires_total", trigger="nightly") == 1


def test_names_beyond_the_first_thousand_share_one_series() -> None:
    page = after(fires(*(fired(f"t{n}") for n in range(MOST_NAMES + 50)), fired("t0")), names=True)
    assert page.value("trigger_fires_total", trigger="t0") == 2
    assert page.value("trigger_fires_total", trigger="other") == 50
    assert page.text.count("tinyforge_trigger_fires_total{") == MOST_NAMES + 1
