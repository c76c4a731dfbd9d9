"""A promise to refuse, held without a test framework."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

E = TypeVar("E", bound=Exception)


async def refused(doing: Awaitable[object], error: type[E]) -> E:
    """Return the *error* that *doing* must end with."""
    try:
        outcome = await doing
    except error as problem:
        return problem
    raise AssertionError(f"{error.__name__} was expected, not {outcome!r}")
