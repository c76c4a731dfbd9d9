"""How many deliveries an endpoint takes. Pure: whoever asks says what time it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinyforge.clock import SECOND, Micros
from tinyforge.model import TriggerId

BURST = 20  # seconds' worth that may come at once


@dataclass(frozen=True)
class Allowance:
    """So many deliveries *a_second* for each trigger, and a burst of them after a pause."""

    a_second: int
    _spent_until: dict[TriggerId, Micros] = field(default_factory=dict)

    def wait(self, trigger: TriggerId, now: Micros) -> Micros:
        """Return how long the next delivery has to wait; 0: it may come now."""
        spent = self._spent_until.get(trigger, now) - now
        return max(0, spent + self._each - BURST * SECOND)

    def spend(self, trigger: TriggerId, now: Micros) -> None:
        self._spent_until[trigger] = max(now, self._spent_until.get(trigger, now)) + self._each

    def give_back(self, trigger: TriggerId) -> None:
        """Undo one `spend`: whoever proves nothing uses up nothing of those who do."""
        self._spent_until[trigger] -= self._each

    @property
    def _each(self) -> Micros:
        return SECOND // self.a_second
