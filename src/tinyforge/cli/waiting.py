"""A line on the terminal while an answer is waited for: nobody shall think that it hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread
from typing import TextIO

from tinyforge.cli.client import Answer, Door

BEAT = 0.5  # seconds
SILENT = 2  # beats before the first word
ERASE = "\r\x1b[K"


class PatientDoor:
    """Another door, and what it *says* about itself while it takes its time."""

    def __init__(self, door: Door, err: TextIO, says: Callable[[], str]) -> None:
        self._door = door
        self._err = err
        self._says = says

    def ask(self, method: str, path: str, body: bytes | None) -> Answer:
        with waiting(self._err, self._says):
            return self._door.ask(method, path, body)

    def listen(self, path: str, last_id: str) -> Iterator[bytes]:
        return self._door.listen(path, last_id)


@contextmanager
def waiting(err: TextIO, says: Callable[[], str]) -> Iterator[None]:
    """Count the seconds on *err* until it is over, and leave nothing of it there."""
    over = Event()
    teller = Thread(target=_tell, args=(err, says, over), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _tell(err: TextIO, says: Callable[[], str], over: Event) -> None:
    for beat in count(1):
        if over.wait(BEAT):
            break
        if beat >= SILENT:
            err.write(f"{ERASE}{says()}, {beat * BEAT:.0f} s")
            err.flush()
    if beat > SILENT:
        err.write(ERASE)
        err.flush()
