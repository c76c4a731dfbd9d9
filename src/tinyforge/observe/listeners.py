"""Several listeners as one."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress

from tinyforge.observe.events import Happening, Observe


def listeners(*ones: Observe) -> Observe:
    """Tell each of *ones* in turn; one that raises misses that happening, and is reported once."""
    reported: set[int] = set()

    def observe(happening: Happening) -> None:
        for number, one in enumerate(ones):
            try:
                one(happening)
            except Exception:  # noqa: BLE001 - the engine goes on whatever its listeners do
                if number not in reported:
                    reported.add(number)
                    _report(one, happening)

    return observe


def _report(one: Observe, happening: Happening) -> None:
    with suppress(OSError, ValueError):  # stderr may be gone
        sys.stderr.write(
            f"a listener failed ({one!r}) on {type(happening).__name__}; it is said once\n"
            f"{traceback.format_exc()}"
        )
