"""Fires that were stored just now: their runs begin at once, and need not read them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from tinyforge.model import Event, EventId

MOST_KEPT = 100_000  # fires, about 500 bytes each, and no work for a garbage collection


class Fresh(Struct, frozen=True, gc=False):
    event: Event
    trigger: str
    kind: str


@dataclass
class Recent:
    """Keeps the newest, at most *most*, and drops older ones by the half."""

    most: int = MOST_KEPT
    _newer: dict[EventId, Fresh] = field(default_factory=dict)
    _older: dict[EventId, Fresh] = field(default_factory=dict)

    def note(self, fires: Iterable[Fresh]) -> None:
        if len(self._newer) >= self.most // 2:
            self._older, self._newer = self._newer, {}
        self._newer.update((fresh.event.id, fresh) for fresh in fires)

    def known(self, ids: Sequence[EventId]) -> Mapping[EventId, Fresh]:
        """Return those of *ids* that are kept."""
        newer, older = self._newer, self._older
        found = {number: newer[number] for number in ids if number in newer}
        if len(found) < len(ids) and older:
            found.update((number, older[number]) for number in ids if number in older)
        return found
