"""Where a run finds its place among those of its workload: pure, asked under the lane's lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tinyforge.clock import Moment
from tinyforge.model import MOST_QUEUED, EventId, Outcome, Queue, RunId, WorkloadId
from tinyforge.store.drafts import REASONS
from tinyforge.store.port import FanOutBatch, Matched, TakenRun, Unmatched


@dataclass
class Lane:
    """What a workload has running and queued, as far as a newcomer must know."""

    running: bool = False
    queued: int = 0
    newest: tuple[EventId, RunId] | None = None

    @property
    def is_idle(self) -> bool:
        return not self.running and not self.queued

    def add(self, event_id: EventId, run_id: RunId) -> None:
        self.queued += 1
        self.newest = max(self.newest or (event_id, run_id), (event_id, run_id))

    def newer_than(self, event_id: EventId) -> RunId | None:
        """Return the newest queued run if it comes after *event_id*."""
        if self.newest is None or self.newest[0] <= event_id:
            return None
        return self.newest[1]


@dataclass
class Placing:
    """The runs of one fan-out, by the statement that stores them."""

    queued: list[tuple[object, ...]] = field(default_factory=list)
    born: list[tuple[object, ...]] = field(default_factory=list)
    born_superseded: list[tuple[object, ...]] = field(default_factory=list)
    supersedes: list[tuple[int, int]] = field(default_factory=list)
    refused: list[Unmatched] = field(default_factory=list)
    taken: list[TakenRun] = field(default_factory=list)
    matches: list[tuple[int, int | None, str]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.queued) + len(self.born) + len(self.born_superseded)

    def place(self, match: Matched, run_id: RunId, lane: Lane, *, may_begin: bool) -> None:
        event, binding, workload, queue, repeatable, ready, reason, change = match
        row = (run_id, event, binding, workload, ready, repeatable)
        refusals = len(self.refused)
        if may_begin and lane.is_idle:
            lane.running = True
            self.born.append(row)
            self.taken.append(TakenRun(run_id, event, binding, workload, 1, repeatable))
        elif queue == Queue.SKIP and not lane.is_idle:
            self._refuse(match, Outcome.SKIPPED_BUSY)
        elif queue == Queue.EVERY and lane.queued >= MOST_QUEUED:
            self._refuse(match, Outcome.SKIPPED_FULL)
        elif queue == Queue.LATEST and (newer := lane.newer_than(event)) is not None:
            self.born_superseded.append((*row, newer))
        else:
            if queue == Queue.LATEST and lane.newest is not None:
                self.supersedes.append((lane.newest[1], run_id))
                lane.queued, lane.newest = lane.queued - 1, None
            lane.add(event, run_id)
            self.queued.append(row)
        if reason and len(self.refused) == refusals:
            self.matches.append((run_id, change, reason))

    def _refuse(self, match: Matched, outcome: Outcome) -> None:
        line = Unmatched(match.event_id, match.binding_id, outcome, REASONS[outcome])
        self.refused.append(line)


class Births(NamedTuple):
    """How many runs may be born running, and of which workloads none."""

    most: int
    barred: Collection[WorkloadId]


def place_all(
    batch: FanOutBatch,
    lanes: Mapping[WorkloadId, Lane],
    numbers: Sequence[int],
    now: Moment,
    births: Births,
) -> Placing:
    """Give each match its place, in their order."""
    placing = Placing()
    for number, match in zip(numbers, batch.matched, strict=True):
        may_begin = (
            match.repeatable
            and len(placing.born) < births.most
            and match.ready_at <= now
            and match.workload_id not in births.barred
        )
        placing.place(match, RunId(number), lanes[match.workload_id], may_begin=may_begin)
    return placing
