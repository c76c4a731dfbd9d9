"""Whether windows can be recorded, as `/readyz` asks."""

from __future__ import annotations

from collections.abc import Callable

from tinyforge.clock import SECOND, Micros
from tinyforge.observe.events import Happening, Recorded, RecordingFailed

MOST_TICKS = 2
SLACK = SECOND  # a record may come just under two ticks after the one before


class Readiness:
    """Listens for sweeps that were recorded; *monotonic* is the clock's."""

    def __init__(self, monotonic: Callable[[], Micros], tick_interval: Micros) -> None:
        self._monotonic = monotonic
        self._patience = MOST_TICKS * tick_interval + SLACK
        self._recorded_at: Micros | None = None
        self._failure: str | None = None

    def __call__(self, happening: Happening) -> None:
        match happening:
            case Recorded():
                self._recorded_at = self._monotonic()
                self._failure = None
            case RecordingFailed():
                self._failure = happening.problem

    def problem(self) -> str | None:
        """Say why windows may not be recorded now; None: they are."""
        if self._failure is not None:
            return f"windows cannot be recorded: {self._failure}"
        if self._recorded_at is None:
            return "no sweep was recorded yet: the server is starting"
        silence = self._monotonic() - self._recorded_at
        if silence > self._patience:
            return f"no sweep was recorded for {silence // SECOND} s, more than two ticks"
        return None
