"""The pages about metrics and happenings say what there is, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from tests.docs.tables import codes, page, rows
from tests.observe.happenings import CATCH_UP, ended, ends, kinds_of_happening, refusals
from tests.observe.test_metrics import SHARED, STANDING
from tinyforge.model import Outcome, RunState
from tinyforge.observe import events
from tinyforge.observe.lines import ENDED, REFUSED, SINGLE, Level, shape_of
from tinyforge.observe.metrics import Metrics
from tinyforge.observe.tally import Tally

OF_THE_LOG = {"LogLinesDropped", "LibraryRecord"}


def everything_counted() -> Metrics:
    tally = Tally(names=True)
    recovered = events.RunsRecovered(requeued=[], interrupted=[])
    refused = events.CallRefused(reason="unknown")
    door = (
        refused,
        events.DeliveryTurnedAway(why="unknown"),
        events.ConnectionTurnedAway(why="body"),
        events.DeliveryRefused(kind="github", why="proof"),
        events.DeliveriesReceived(kind="github", taken="accepted", count=1),
    )
    for happening in (CATCH_UP, ends(ended(RunState.FAILED)), refusals(*Outcome), recovered, *door):
        tally(happening)
    tally.set_counts(STANDING, 0)
    tally.seen = SHARED
    return Metrics(tally, ready=lambda: True, dropped=lambda: 0, version="1")


def metrics() -> Iterator[tuple[str, set[str]]]:
    for family in text_string_to_metric_families(everything_counted().render().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield name, {label for sample in family.samples for label in sample.labels} - {"le"}


def test_every_metric_is_described_with_its_labels() -> None:
    described = {
        name: set(codes(cells[0])) for name, cells in rows(page("reference/metrics.md")).items()
    }
    assert described == dict(metrics())


def levels(kind: type[events.Happening]) -> set[Level]:
    if kind in SINGLE:
        return {SINGLE[kind][0]}
    return {
        events.SchedulesFired: {Level.INFO, Level.WARNING},
        events.EventsFannedOut: {Level.DEBUG, *(level for level, _ in REFUSED.values())},
        events.RunsEnded: {level for level, _ in ENDED.values()},
    }[kind]


def fields(kind: type[events.Happening]) -> list[str]:
    match kind:
        case events.SchedulesFired:
            return ["kind", "at", *(key for key, *_ in shape_of(events.FiredWindow))]
        case events.EventsFannedOut:
            counts = ["events", "scheduled", "runs"]
            return [*counts, *(key for key, *_ in shape_of(events.BindingResult))]
        case events.RunsEnded:
            return [key for key, *_ in shape_of(events.EndedRunLine)]
    return [key for key, *_ in shape_of(kind)]


def test_every_happening_is_described_with_its_levels_and_fields() -> None:
    described = {
        name: (set(cells[0].split(", ")), codes(cells[1]))
        for name, cells in rows(page("reference/events.md")).items()
        if name not in OF_THE_LOG
    }
    assert described == {
        kind.__name__: ({level.word for level in levels(kind)}, fields(kind))
        for kind in kinds_of_happening()
    }
