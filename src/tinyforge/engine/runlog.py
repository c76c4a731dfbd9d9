"""The log of one run: lines as they come, stored in chunks; of a long one the head and the tail."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tinyforge.clock import SECOND, Clock, Micros, Moment
from tinyforge.errors import StoreUnavailable
from tinyforge.model import RunId
from tinyforge.store.port import LogPart, Runs

LONGEST_LINE = 16 * 1024
CHUNK = 32 * 1024
HEAD = 256 * 1024
TAIL = 10 * 1024 * 1024
MOST_PENDING = HEAD + TAIL  # of one run, before lines are lost
FLUSH_EVERY: Micros = SECOND
CUT = " … this line was cut at 16 KiB"


@dataclass(slots=True)
class RunLines:
    """What a deploy writes to. Not a file: `write` takes one line, and from any thread."""

    run_id: RunId
    touched: Callable[[RunLines, bool], None]  # with whether a chunk is full
    _seq: int
    _pending: list[str] = field(default_factory=list)
    _bytes: int = 0
    _lost: int = 0
    _head: int = 0
    _tail: deque[tuple[int, int, int]] = field(default_factory=deque)  # seq, bytes, lines
    _tail_bytes: int = 0
    _cut_seq: int | None = None
    _cut_lines: int = 0

    @property
    def is_touched(self) -> bool:
        """Whether anything waits to be stored."""
        return bool(self._pending)

    def write(self, line: str) -> None:
        if len(line) > LONGEST_LINE:
            line = line[:LONGEST_LINE] + CUT
        if self._bytes >= MOST_PENDING:
            self._lost += 1
            return
        self._pending.append(line)
        self._bytes += len(line) + 1
        self.touched(self, self._bytes >= CHUNK)

    def take(self) -> list[LogPart]:
        """Return what is not stored yet in chunks, with what they make room for."""
        lines, self._pending, self._bytes = self._pending, [], 0
        if self._lost:
            lines.append(f"… {self._lost} lines are lost: they came faster than they are stored")
            self._lost = 0
        parts: list[LogPart] = []
        chunk: list[str] = []
        size = 0
        for line in lines:
            chunk.append(line)
            size += len(line) + 1
            if size >= CHUNK:
                parts += self._kept(chunk, size)
                chunk, size = [], 0
        return [*parts, *(self._kept(chunk, size) if chunk else ())]

    def _kept(self, lines: list[str], size: int) -> list[LogPart]:
        part = LogPart(self.run_id, self._next_seq(), lines)
        if self._head < HEAD:
            self._head += size
            return [part]
        self._tail.append((part.seq, size, len(lines)))
        self._tail_bytes += size
        return self._with_cut(part)

    def _with_cut(self, part: LogPart) -> list[LogPart]:
        """Drop the oldest of the tail once it is too long, and say how much that was."""
        dropped: list[int] = []
        while self._tail_bytes > TAIL:
            seq, size, count = self._tail.popleft()
            dropped.append(seq)
            self._tail_bytes -= size
            self._cut_lines += count
        if not dropped:
            return [part]
        if self._cut_seq is None:
            self._cut_seq = dropped.pop(0)
        note = f"… {self._cut_lines} lines were cut here: a log keeps 256 KiB and its last 10 MiB"
        return [LogPart(self.run_id, self._cut_seq, [note]), part._replace(dropped=dropped)]

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq - 1


@dataclass
class LogKeeper:
    """Stores the lines of all open logs once a second, and a full chunk at once."""

    store: Runs
    clock: Clock
    _open: dict[int, RunLines] = field(default_factory=dict)
    _full: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def open(self, run_id: RunId, first_seq: int) -> RunLines:
        """Begin the log of an attempt; *first_seq* keeps it apart from those before."""
        return RunLines(run_id=run_id, touched=self._note, _seq=first_seq)

    async def run(self) -> None:
        while True:
            await self.clock.wait(self._full, FLUSH_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Store what every open log has."""
        logs, self._open = list(self._open.values()), {}
        await self._store(logs)

    async def close(self, log: RunLines) -> None:
        """Store the last lines of a run, before its end can be seen."""
        self._open.pop(id(log), None)
        await self._store([log])

    def _note(self, log: RunLines, full: bool) -> None:
        self._open[id(log)] = log
        if full:
            self._loop.call_soon_threadsafe(self._full.set)

    async def _store(self, logs: list[RunLines]) -> None:
        parts = [part for log in logs for part in log.take()]
        if not parts:
            return
        now: Moment = self.clock.now()
        try:
            await self.store.append_log(parts, now)
        except StoreUnavailable:
            return  # a log must not hold up the outcome; the store's trouble is said elsewhere
