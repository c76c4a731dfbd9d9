"""`--catch-up-rate`: the runs of late events begin one after the other, decisions at once."""

from __future__ import annotations

from dataclasses import dataclass

from tinyforge.clock import SECOND, Micros, Moment


@dataclass
class Pacer:
    """*rate*: runs of late events per second; 0 sets no limit."""

    rate: float
    _last: Moment = 0

    def set_back(self, by: Micros) -> None:
        """Follow the clock."""
        self._last -= by

    def ready_at(self, now: Moment) -> Moment:
        """Return when the next run of a late event may begin."""
        if not self.rate:
            return now
        self._last = max(now, self._last + round(SECOND / self.rate))
        return self._last
