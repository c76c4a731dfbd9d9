"""Where log lines go: written by a thread, so that a stuck reader never holds up the server."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import NamedTuple

MOST_WAITING = 8 * 1024 * 1024  # bytes not written yet, before lines are dropped
LAST_FLUSH = 2.0  # seconds


class _Text(NamedTuple):
    text: bytes
    lines: int


class Pipe:
    """Takes lines and never blocks, never raises: what cannot be written is dropped and counted."""

    def __init__(self, descriptor: int, most_waiting: int = MOST_WAITING) -> None:
        self._descriptor = descriptor
        self._most_waiting = most_waiting
        self._queue: SimpleQueue[_Text | Event] = SimpleQueue()
        self._lock = Lock()
        self._waiting = 0
        self._dropped = 0
        self._torn = False

    @property
    def dropped(self) -> int:
        return self._dropped

    def write(self, text: bytes, lines: int) -> None:
        with self._lock:
            fits = self._waiting + len(text) <= self._most_waiting
            if fits:
                self._waiting += len(text)
            else:
                self._dropped += lines
        if fits:
            self._queue.put(_Text(text, lines))

    def flush(self, at_most: float = LAST_FLUSH) -> bool:
        """Return True when all lines given so far were tried, False after *at_most* seconds."""
        tried = Event()
        self._queue.put(tried)
        return tried.wait(at_most)

    def run(self) -> None:
        """Write for ever; ends with the process, for a stuck write cannot be ended otherwise."""
        while True:
            given = self._queue.get()
            if isinstance(given, Event):
                given.set()
            else:
                self._write(given)

    def _write(self, given: _Text) -> None:
        text = b"\n" + given.text if self._torn else given.text
        rest = memoryview(text)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
        except OSError:
            with self._lock:
                self._dropped += given.lines
        if len(rest) < len(text):
            self._torn = bool(rest)
        with self._lock:
            self._waiting -= len(given.text)

    def _write_some(self, text: memoryview) -> int:
        try:
            return os.write(self._descriptor, text)
        except BlockingIOError:  # some other program made it non-blocking
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            poll.poll()
            return 0


@contextmanager
def open_pipe(descriptor: int, most_waiting: int = MOST_WAITING) -> Iterator[Pipe]:
    """Give a pipe to *descriptor*; at the end its lines are written, within two seconds."""
    pipe = Pipe(descriptor, most_waiting)
    Thread(target=pipe.run, name="log", daemon=True).start()
    try:
        yield pipe
    finally:
        pipe.flush()
