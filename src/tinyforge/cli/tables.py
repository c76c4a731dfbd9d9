"""Tables in plain aligned columns.

Widths come from the first rows, so that a long table begins at once and never waits for its end.
On a terminal a table fits: columns that matter less are left out, then long cells are cut. In a
pipe nothing is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from msgspec import Struct

from tinyforge.cli.text import columns as taken
from tinyforge.cli.text import padded, safe

SAMPLE = 500  # rows that decide the widths
GAP = "  "
LEAST = 8  # what a cell that may be cut always keeps
COMFORT = 20  # what it keeps before another column is left out for it

Row = Sequence[str]


class Column(Struct, frozen=True):
    title: str
    whole: bool = False  # an id or a time: half of it is of no use
    leave_out: int = 0  # 0: always there; else the highest goes first
    right: bool = False
    state: bool = False  # its words have colours


class Layout(Struct, frozen=True):
    """Widths of the columns that are shown, by place."""

    widths: dict[int, int]


def lay_out(columns: Sequence[Column], sample: Sequence[Row], width: int | None) -> Layout:
    """Choose what is shown in *width* columns (None: as many as it takes)."""
    widths = {
        place: max(taken(column.title), *(taken(row[place]) for row in sample), 0)
        for place, column in enumerate(columns)
    }
    if width is None:
        return Layout(widths)
    _leave_out(columns, widths, width)
    _cut(columns, widths, width)
    return Layout(widths)


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _leave_out(columns: Sequence[Column], widths: dict[int, int], width: int) -> None:
    """Leave columns out while cutting alone would make it hard to read."""
    going = sorted(
        (place for place, column in enumerate(columns) if column.leave_out),
        key=lambda place: -columns[place].leave_out,
    )
    for place in going:
        readable = {
            at: wide if columns[at].whole else min(wide, COMFORT) for at, wide in widths.items()
        }
        if _total(readable) <= width:
            return
        del widths[place]


def _cut(columns: Sequence[Column], widths: dict[int, int], width: int) -> None:
    """Take the excess from the widest; whole cells are cut only where nothing else is left."""
    whole = {place for place, column in enumerate(columns) if column.whole}
    for least, kept in ((LEAST, whole), (1, set[int]())):
        while (excess := _total(widths) - width) > 0:
            candidates = sorted(
                (place for place in widths if place not in kept and widths[place] > least),
                key=lambda place: widths[place],
            )
            if not candidates:
                break
            widest = candidates[-1]
            next_widest = widths[candidates[-2]] if len(candidates) > 1 else least
            step = min(excess, max(1, widths[widest] - max(next_widest, least)))
            widths[widest] -= step


def render(
    columns: Sequence[Column], rows: Iterable[Row], width: int | None, *, colours: bool = False
) -> Iterator[str]:
    """Yield the lines of a table, the head first; nothing at all for no rows."""
    stream = iter(rows)
    sample = [[safe(cell) for cell in row] for row in islice(stream, SAMPLE)]
    if not sample:
        return
    layout = lay_out(columns, sample, width)
    yield bold(_line(columns, layout, [column.title for column in columns]), on=colours)
    rest = ([safe(cell) for cell in row] for row in stream)
    for row in chain(sample, rest):
        yield _line(columns, layout, row, colours=colours, cut=width is not None)


def _line(
    columns: Sequence[Column],
    layout: Layout,
    row: Row,
    *,
    colours: bool = False,
    cut: bool = True,
) -> str:
    cells = []
    for place, width in layout.widths.items():
        text, column = row[place], columns[place]
        if column.right and len(text) < width:
            text = text.rjust(width)
        cell = padded(text, width) if cut else padded(text, max(width, taken(text)))
        cells.append(coloured(cell, text, on=colours) if column.state else cell)
    return GAP.join(cells).rstrip()


# --- colours

COLOURS = {
    "active": "32",
    "succeeded": "32",
    "matched": "32",
    "ok": "32",
    "running": "36",
    "queued": "36",
    "paused": "33",
    "warn": "33",
    "superseded": "2",
    "disabled": "2",
    "failed": "31",
    "broken": "31",
    "fail": "31",
    "interrupted": "31",
    "quarantined": "31",
    "match_failed": "31",
    "unknown_kind": "31",
    "cancelled": "33",
}


def coloured(cell: str, word: str, *, on: bool) -> str:
    code = COLOURS.get(word) if on else None
    return f"\x1b[{code}m{cell}\x1b[0m" if code else cell


def bold(text: str, *, on: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if on else text
