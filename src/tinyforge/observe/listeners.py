"""Several listeners as one."""

from __future__ import annotations

import logging

from tinyforge.observe.events import Happening, Observe

logger = logging.getLogger(__name__)
FAILED = "a listener failed (%r) on %s; it is said once"


def listeners(*ones: Observe) -> Observe:
    """Tell each of *ones* in turn; one that raises misses that happening, and is reported once.

    The report goes the way of what libraries say: to the log, or to stderr where that fails.
    """
    reported: set[int] = set()

    def observe(happening: Happening) -> None:
        for number, one in enumerate(ones):
            try:
                one(happening)
            except Exception:  # the engine goes on whatever its listeners do
                if number not in reported:
                    reported.add(number)
                    logger.exception(FAILED, one, type(happening).__name__)

    return observe
