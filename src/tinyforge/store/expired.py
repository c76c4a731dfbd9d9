"""Which deliveries are kept no longer: the same rule for every store."""

from __future__ import annotations

from typing import NamedTuple

from tinyforge.clock import DAY, Moment
from tinyforge.store.port import Limits

IDS_KEPT = 7 * DAY  # at least: senders come again for that long


class Expired(NamedTuple):
    bodies: list[tuple[int, int]]  # with their bytes
    deliveries: list[int]

    @property
    def size(self) -> int:
        return sum(size for _, size in self.bodies)

    def fills(self, most: int) -> bool:
        """Say whether there may be more."""
        return len(self.bodies) >= most or len(self.deliveries) >= most


def first_kept(keep: Limits, now: Moment) -> Moment:
    """Return from when on deliveries are kept, whether they became events or not."""
    return now - max(keep.history, IDS_KEPT)


def first_body_kept(keep: Limits, now: Moment) -> Moment:
    return now - keep.bodies
