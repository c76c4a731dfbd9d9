"""What somebody wrote, as far as an error may repeat it."""

from __future__ import annotations

SHOWN = 40


def quoted(text: str) -> str:
    """Return *text* in quotes, in a line of ASCII and never long, whatever it holds."""
    shown = ascii(text[:SHOWN])
    if len(text) <= SHOWN and len(shown) <= SHOWN + 2:
        return shown
    return shown[:SHOWN] + "..."
