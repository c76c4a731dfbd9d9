"""Triggers that fire because a run ended: "tell me when it fails" and "after this, that"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from tinyforge.errors import InvalidConfig, UnknownKind
from tinyforge.ids import show
from tinyforge.kinds import EndedRun, FollowsRuns
from tinyforge.model import MOST_HOPS, Event, EventDraft, RunId, RunState, Trigger
from tinyforge.observe.events import HopLimitReached, KindFailed, Observe
from tinyforge.plugins import Plugins
from tinyforge.store.port import Config, Schedules

ENDS = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED})


class FollowerStore(Config, Schedules, Protocol):
    """The roles that this room needs."""


class Ending(Struct, frozen=True, kw_only=True):
    """The end of one attempt that was the run's last."""

    run_id: RunId
    attempt: int
    workload: str
    state: RunState
    error: str | None


@dataclass
class Followers:
    store: FollowerStore
    plugins: Plugins
    observe: Observe
    _generation: int | None = None
    _found: Sequence[tuple[Trigger, FollowsRuns]] = field(default_factory=tuple)

    async def any(self) -> bool:
        """Say whether any trigger follows runs."""
        return bool(await self._current())

    async def drafts(self, ends: Sequence[tuple[Ending, Event]]) -> list[EventDraft]:
        """Return the events that these ends of runs are; each comes with the run's own event."""
        followers = await self._current() if ends else ()
        return [
            draft
            for ending, cause in ends
            if followers and ending.state in ENDS
            for draft in self._follow(ending, cause, followers)
        ]

    def _follow(
        self, ending: Ending, cause: Event, followers: Sequence[tuple[Trigger, FollowsRuns]]
    ) -> Iterator[EventDraft]:
        word, run = ending.state.word, show("run", ending.run_id)
        ended = EndedRun(workload=ending.workload, state=word, run=run)
        facts: dict[str, object] = {"workload": ending.workload, "state": word, "run": run}
        if ending.error:
            facts["error"] = ending.error
        for trigger, kind in followers:
            if self._follows(trigger, kind, ended) and self._may_hop(trigger, ended, cause):
                own = facts | {"trigger": trigger.name, "hops": hops(cause.facts) + 1}
                key = f"r{ending.run_id}.{ending.attempt}.{word}"
                yield EventDraft(trigger_id=trigger.id, key=key, facts=own)

    def _follows(self, trigger: Trigger, kind: FollowsRuns, ended: EndedRun) -> bool:
        try:
            return kind.follows(ended)
        except (Exception, SystemExit) as bug:  # noqa: BLE001 - plugin code; the run ends all the same
            problem = f"{type(bug).__name__}: {bug}"
            self.observe(KindFailed(kind=trigger.kind, doing="follows", problem=problem))
            return False

    def _may_hop(self, trigger: Trigger, ended: EndedRun, cause: Event) -> bool:
        count = hops(cause.facts)
        if count < MOST_HOPS:
            return True
        self.observe(HopLimitReached(trigger=trigger.name, run=ended.run, hops=count))
        return False

    async def _current(self) -> Sequence[tuple[Trigger, FollowsRuns]]:
        """Return the triggers that follow runs, read again when the config changed."""
        generation = await self.store.generation()
        if generation != self._generation:
            rows = await self.store.triggers_of_kinds(self.plugins.following_kinds())
            self._found = [pair for row in rows if (pair := self._follower(row)) is not None]
            self._generation = generation
        return self._found

    def _follower(self, trigger: Trigger) -> tuple[Trigger, FollowsRuns] | None:
        try:
            kind = self.plugins.trigger(trigger.kind, trigger.config)
        except (UnknownKind, InvalidConfig):
            return None  # shown as broken where it is planned
        return (trigger, kind) if trigger.enabled and isinstance(kind, FollowsRuns) else None


def hops(facts: Mapping[str, object]) -> int:
    found = facts.get("hops")
    return found if isinstance(found, int) else 0
