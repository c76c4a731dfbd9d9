"""Ports for servers of tests: none that a system gives to whoever connects to somebody else."""

from __future__ import annotations

import random
import socket

BELOW_EPHEMERAL = range(20_000, 30_000)


def free_port() -> int:
    """Return a port that is free on every address, and stays so until a server asks for it."""
    while True:
        port = random.choice(BELOW_EPHEMERAL)  # noqa: S311 - two processes must not meet, no more
        with socket.socket() as probe:
            if _is_free(probe, port):
                return port


def _is_free(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("", port))
    except OSError:
        return False
    return True
