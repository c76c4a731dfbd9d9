"""Which processes there are, read from /proc: the members of a group, the leftovers of runs."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

PROC = "/proc"
DEAD = frozenset({b"Z", b"X"})
SLICE = 0.05  # seconds
ROUNDS = 5  # of SIGKILL, for what forks faster than it is found


def is_alive(group: int) -> bool:
    """Say whether a process group has a member that is not yet dead."""
    with suppress(ChildProcessError):  # as process 1 of a container we inherit orphans
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return any(_group(pid) == group for pid in _pids())  # a zombie answers signals, too


def end_marked(marks: frozenset[bytes], grace: float) -> None:
    """End all process groups with a member whose environment holds one of *marks*, ours excepted.

    SIGTERM, after *grace* seconds SIGKILL.
    """
    if not _round(marks, signal.SIGTERM, grace):
        return
    for _ in range(ROUNDS):
        if not _round(marks, signal.SIGKILL, grace):
            return


def _round(marks: frozenset[bytes], what: signal.Signals, patience: float) -> bool:
    """Signal whoever is marked now and wait for their end; say whether there was anybody."""
    handles = list(_handles(marks))
    try:
        for handle in handles:
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(handle, what)
        _wait(handles, patience)
    finally:
        for handle in handles:
            os.close(handle)
    return bool(handles)


def _handles(marks: frozenset[bytes]) -> Iterator[int]:
    """Open a pidfd, which a reused number cannot redirect, of each member of a marked group."""
    marked = (pid for pid in _pids() if not marks.isdisjoint(_environ(pid)))
    groups = {_group(pid) for pid in marked} - {None, os.getpgrp()}
    for pid in _pids() if groups else ():
        if _group(pid) not in groups:
            continue
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            if _group(pid) in groups:  # looked at again, now that the number is pinned
                yield handle
            else:
                os.close(handle)


def _wait(handles: Iterable[int], seconds: float) -> None:
    poll = select.poll()
    left = set(handles)
    for handle in left:
        poll.register(handle, select.POLLIN)
    slices = int(seconds / SLICE) + len(left)
    while left and slices:
        slices -= 1
        for handle, _ in poll.poll(SLICE * 1_000):
            poll.unregister(handle)
            left.discard(handle)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path(PROC).iterdir() if entry.name.isdecimal()]


def _environ(pid: int) -> frozenset[bytes]:
    try:
        return frozenset(Path(f"{PROC}/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:  # it has ended, or belongs to somebody else
        return frozenset()


def _group(pid: int) -> int | None:
    """Return the process group of a process that is not dead."""
    try:
        stat = Path(f"{PROC}/{pid}/stat").read_bytes()
    except OSError:
        return None
    state, _, group, *_ = stat.rpartition(b")")[2].split()
    return None if state in DEAD else int(group)
