"""Deliveries that are turned down: each is counted, and said so often that a log stays readable."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinyforge.clock import SECOND, Clock, Micros
from tinyforge.engine.examining import TurnedDown
from tinyforge.model import Trigger, TriggerId
from tinyforge.observe.events import DeliveriesRefused, DeliveryRefused, Observe

SAID_EVERY: Micros = 10 * SECOND  # for each trigger
MOST_TRIGGERS = 10_000


@dataclass
class Unsaid:
    since: Micros  # monotonic: when the last line was written
    count: int = 0


@dataclass
class Turning:
    clock: Clock
    observe: Observe
    _unsaid: dict[TriggerId, Unsaid] = field(default_factory=dict)

    def down(self, trigger: Trigger, refused: TurnedDown, source: str) -> None:
        """Count it, and say it unless that was done for this trigger a moment ago."""
        self.observe(DeliveryRefused(kind=trigger.kind, why=refused.why))
        now = self.clock.monotonic()
        if len(self._unsaid) >= MOST_TRIGGERS:
            self._unsaid.clear()
        unsaid = self._unsaid.setdefault(trigger.id, Unsaid(now - SAID_EVERY))
        unsaid.count += 1
        if now - unsaid.since < SAID_EVERY:
            return
        count, self._unsaid[trigger.id] = unsaid.count, Unsaid(now)
        self.observe(
            DeliveriesRefused(
                trigger=trigger.name,
                kind=trigger.kind,
                count=count,
                why=refused.why,
                reason=refused.problem or refused.reason,
                source=source,
            )
        )
