"""Moments, and the only code that may ask the machine for one."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeAlias

Moment: TypeAlias = int  # microseconds since 1970-01-01T00:00Z
Micros: TypeAlias = int  # a length of time

SECOND: Micros = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def moment(aware: datetime) -> Moment:
    return (aware - EPOCH) // MICROSECOND


FIRST = moment(datetime.min.replace(tzinfo=UTC))
LAST = moment(datetime.max.replace(tzinfo=UTC))


def utc(at: Moment) -> datetime:
    return EPOCH + timedelta(microseconds=at)


def rfc3339(at: Moment) -> str:
    """Return *at* in UTC with as many digits as it needs: `2026-01-05T12:00:00Z`.

    What lies outside the calendar, as a hand may have written it, is shown as its first or last.
    """
    if not FIRST <= at <= LAST:
        at = FIRST if at < FIRST else LAST
    return utc(at).isoformat().replace("+00:00", "Z")


class Clock(Protocol):
    def now(self) -> Moment:
        """Return the wall clock's moment, which may be set back or forward at any time."""
        ...

    def monotonic(self) -> Micros:
        """Return a reading that only grows, for measuring lengths of time."""
        ...

    async def wait(self, signal: asyncio.Event, at_most: Micros) -> None:
        """Return when *signal* is set or *at_most* has gone by, and leave it cleared."""
        ...


class SystemClock:
    def now(self) -> Moment:
        return time.time_ns() // 1_000

    def monotonic(self) -> Micros:
        return time.monotonic_ns() // 1_000

    async def wait(self, signal: asyncio.Event, at_most: Micros) -> None:
        if at_most <= 0 or signal.is_set():
            await asyncio.sleep(0)
        else:
            timer = asyncio.get_running_loop().call_later(at_most / SECOND, signal.set)
            try:
                await signal.wait()
            finally:
                timer.cancel()
        signal.clear()


class SteeredClock:
    """Somebody else's clock, as it was read now and then, and the local monotonic one in between.

    It is never ahead of that clock, so nothing is early by it. A reading is behind by up to the
    time it took; of all readings the one that was least behind counts.
    """

    STEADY = 20_000  # the two clocks drift apart by less than one part in so many

    def __init__(self, local: Clock) -> None:
        self._local = local
        self._ahead = local.now() - local.monotonic()
        self._read_at: Micros | None = None

    def steer(self, now: Moment, asked: Micros, answered: Micros) -> None:
        """Go by *now*, read between two monotonic readings."""
        ahead, last = now - answered, self._read_at
        if last is not None:
            best = self._ahead - (answered - last) // self.STEADY
            if 0 < best - ahead <= answered - asked:  # it took that long; more was a step
                ahead = best
        self._ahead, self._read_at = ahead, answered

    def now(self) -> Moment:
        return self._local.monotonic() + self._ahead

    def local(self) -> Moment:
        """Return what the machine's own clock says."""
        return self._local.now()

    def monotonic(self) -> Micros:
        return self._local.monotonic()

    async def wait(self, signal: asyncio.Event, at_most: Micros) -> None:
        await self._local.wait(signal, at_most)
