"""What is bound to which trigger, kept in memory as long as the config is the same.

A reader forgets its pages at each commit of the writer, so asking the file costs more than all
the rest of a fire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from msgspec import Struct

from tinyforge.engine.fanout import FanOut
from tinyforge.errors import StoreUnavailable
from tinyforge.model import BindingId, TriggerId, WorkloadId
from tinyforge.store.port import Events, Route, Schedules

MOST_KEPT = 100_000  # triggers, about 300 bytes each
SLICE = 200  # triggers that are read ahead at once: what is due must not wait for them
BREATH = 1 / 300  # seconds, for all else that the loop has to do: no moment to be steered
FAR_PAST, FAR_FUTURE = (-(2**62), -(2**62)), 2**62  # before and after all that is due


class Plain(Struct, frozen=True, gc=False):
    """A binding that any event of its trigger matches."""

    binding_id: BindingId
    workload_id: WorkloadId
    queue: str
    repeatable: bool


class Bound(Struct, frozen=True, gc=False):  # so that no collection has to look at 100,000 of them
    """The bindings of one trigger. *plain* is None where some rule or refusal has its say."""

    trigger: str
    may_fire: bool
    plain: tuple[Plain, ...] | None
    routes: Sequence[Route]  # empty where all are plain

    @property
    def is_ruled(self) -> bool:
        return any(route.rule is not None for route in self.routes)


class BoundStore(Events, Schedules, Protocol):
    """The roles that this room needs."""


@dataclass
class Bounds:
    store: BoundStore
    fanout: FanOut
    _generation: int = -1
    _kept: dict[TriggerId, Bound] = field(default_factory=dict)

    async def of(self, trigger_ids: Sequence[TriggerId]) -> tuple[Mapping[TriggerId, Bound], int]:
        """Return what is bound to each, all of one generation of the config, and its number."""
        self._forget_if_changed(await self.store.generation())
        wanted = set(trigger_ids)
        while missing := sorted(number for number in wanted if number not in self._kept):
            if len(self._kept) + len(missing) > MOST_KEPT:
                self._kept.clear()
                missing = sorted(wanted)
            found = await self.store.routes(missing)
            self._forget_if_changed(found.generation)
            self._kept.update(self._bound(found.rows))
        return self._kept, self._generation

    async def read_ahead(self) -> None:
        """Read what is bound to schedules before they are due, as far as there is room; then end.

        Else the first round of many schedules that come close together would be a slow one.
        """
        after = FAR_PAST
        with suppress(StoreUnavailable):  # then they are read when they are due
            while rows := await self.store.due(after, FAR_FUTURE, SLICE):
                if len(self._kept) + len(rows) > MOST_KEPT:
                    break
                await self.of([row.trigger_id for row in rows])
                after = (rows[-1].due_at, rows[-1].trigger_id)
                await asyncio.sleep(BREATH)

    def _forget_if_changed(self, generation: int) -> None:
        if generation != self._generation:
            self._kept.clear()
            self._generation = generation

    def _bound(self, rows: Sequence[Route]) -> Iterator[tuple[TriggerId, Bound]]:
        for trigger_id, group in groupby(rows, attrgetter("trigger_id")):
            routes = tuple(group)
            first = routes[0]
            plain = self._plain(routes)
            yield (
                trigger_id,
                Bound(
                    first.trigger or "",
                    bool(first.is_schedule),
                    plain,
                    routes if plain is None else (),
                ),
            )

    def _plain(self, routes: Sequence[Route]) -> tuple[Plain, ...] | None:
        found: list[Plain] = []
        for route in routes:
            if route.binding_id is None:
                continue
            repeatable = self.fanout.is_repeatable(route)
            if route.rule is not None or not route.enabled or repeatable is None:
                return None
            found.append(Plain(route.binding_id, route.workload_id, route.queue, repeatable))
        return tuple(found)
