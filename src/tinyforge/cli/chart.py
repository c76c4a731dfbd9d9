"""Fires per minute as a small chart of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from tinyforge.clock import MINUTE, Moment

HEIGHT = 6
EIGHTHS = " ▁▂▃▄▅▆▇█"
PLAIN = " ........#"  # where the terminal has no blocks
FEWEST, MOST = 10, 120  # bars


class Load(Struct, frozen=True):
    """Fires in one minute."""

    minute: Moment
    fires: int


class Bars(Struct, frozen=True):
    """*heights*: of each stretch of *minutes* minutes, the busiest one."""

    heights: Sequence[int]
    minutes: int


def bars(loads: Sequence[Load], since: Moment, until: Moment, most: int) -> Bars:
    """Share the minutes from *since* to *until* out among at most *most* bars."""
    first = since // MINUTE
    total = max(1, -(-until // MINUTE) - first)
    minutes = -(-total // most)
    heights = [0] * -(-total // minutes)
    for load in loads:
        place = min(len(heights) - 1, max(0, (load.minute // MINUTE - first) // minutes))
        heights[place] = max(heights[place], load.fires)
    return Bars(heights, minutes)


def draw(shown: Bars, start: str, end: str, *, blocks: bool = True) -> Iterator[str]:
    """Yield the lines: a scale at the left, the bars, then *start* and *end* below them."""
    top = max(shown.heights, default=0) or 1
    margin = len(f"{top:,}")
    letters = EIGHTHS if blocks else PLAIN
    rows = min(HEIGHT, top)
    for row in range(rows, 0, -1):
        scale = f"{top:,}" if row == rows else ""
        cells = "".join(letters[_filled(height * rows, top, row)] for height in shown.heights)
        yield f"{scale:>{margin}} {'│' if blocks else '|'}{cells}".rstrip()
    yield f"{'0':>{margin}} {'└' if blocks else '+'}{('─' if blocks else '-') * len(shown.heights)}"
    gap = max(2, len(shown.heights) - len(start) - len(end))
    yield f"{'':>{margin}}  {start}{' ' * gap}{end}"


def _filled(high: int, top: int, row: int) -> int:
    """Return the eighths of this row that a bar fills; a bar of any height shows at the bottom."""
    eighths = -(-high * 8 // top)
    return min(8, max(0, eighths - (row - 1) * 8))
