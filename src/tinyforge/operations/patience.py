"""Doing again what lost a race."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tinyforge.errors import Conflict

T = TypeVar("T")
TRIES = 5


async def persist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what *attempt* does; read, decided and written anew where something else was first."""
    for _ in range(TRIES - 1):
        try:
            return await attempt()
        except Conflict:
            continue
    return await attempt()
