"""Triggers that fire because a run ended: "tell me when it fails" and "after this, that"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tinyforge.errors import InvalidConfig, UnknownKind
from tinyforge.ids import show
from tinyforge.kinds import EndedRun, FollowsRuns
from tinyforge.model import MOST_HOPS, Event, EventDraft, RunId, RunState, Trigger
from tinyforge.observe.events import HopLimitReached, Observe
from tinyforge.plugins import Plugins
from tinyforge.store.port import Config, Schedules

ENDS = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED})


class FollowerStore(Config, Schedules, Protocol):
    """The roles that this room needs."""


@dataclass
class Followers:
    store: FollowerStore
    plugins: Plugins
    observe: Observe
    _generation: int | None = None
    _found: Sequence[tuple[Trigger, FollowsRuns]] = field(default_factory=tuple)

    async def drafts(
        self, run_id: RunId, workload: str, state: RunState, cause: Event, error: str | None
    ) -> list[EventDraft]:
        """Return the events that this end of a run is."""
        if state not in ENDS:
            return []
        followers = await self._current()
        if not followers:
            return []
        ended = EndedRun(workload=workload, state=state.word, run=show("run", run_id))
        facts: dict[str, object] = {"workload": workload, "state": state.word, "run": ended.run}
        if error:
            facts["error"] = error
        drafts = []
        for trigger, kind in followers:
            if kind.follows(ended) and self._may_hop(trigger, ended, cause):
                own = facts | {"trigger": trigger.name, "hops": hops(cause.facts) + 1}
                key = f"r{run_id}.{state.word}"
                drafts.append(EventDraft(trigger_id=trigger.id, key=key, facts=own))
        return drafts

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
