"""Figures as a table for people: in a terminal, or as Markdown for the docs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure

QUICK_DISK = 0.5  # ms for an fdatasync: on slower disks the musts are ratios
COLUMNS = ("what", "figure", "must", "aim", "baseline", "ratio", "ok?")
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def is_met(figure: Figure, sync_ms: float) -> bool | None:
    """Say whether the must is met; None where there is none, or the disk is too slow for it."""
    if figure.must is None:
        return None
    if sync_ms <= QUICK_DISK or not figure.disk_counts:
        more = figure.more_is_better
        return figure.value >= figure.must if more else figure.value <= figure.must
    if figure.must_ratio is None or not figure.baselines:
        return None
    ratio = figure.ratio(figure.baselines[0])
    return ratio is not None and ratio >= figure.must_ratio


def show(figures: Sequence[Figure], sync_ms: float) -> None:
    table = Table(*COLUMNS)
    for column in table.columns[1:]:
        column.justify = "right"
    for figure in figures:
        table.add_row(*_cells(figure, sync_ms, "\n"))
    Console(width=None if Console().is_terminal else 160).print(table)


def markdown(figures: Iterable[Figure], sync_ms: float) -> str:
    rows = [COLUMNS, ("---", *["---:"] * (len(COLUMNS) - 1))]
    rows += [_cells(figure, sync_ms, "<br>") for figure in figures]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def put_between_marks(text: str, table: str) -> str:
    """Replace what stands between the two marks; ValueError where they are not there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no table to replace; put {BEGIN} and {END} where it belongs")
    return f"{before}{begin}{table}{end}{after}"


def _cells(figure: Figure, sync_ms: float, between: str) -> tuple[str, ...]:
    sign = "≥" if figure.more_is_better else "≤"
    ratios = [(base, figure.ratio(base)) for base in figure.baselines]
    return (
        figure.what,
        f"{_number(figure.value)} {figure.unit}",
        "" if figure.must is None else f"{sign} {_number(figure.must)}",
        "" if figure.aim is None else f"{sign} {_number(figure.aim)}",
        between.join(f"{base.name}: {_number(base.value)}" for base, _ in ratios),
        between.join("" if ratio is None else f"{_number(ratio)} times" for _, ratio in ratios),
        {True: "yes", False: "no", None: ""}[is_met(figure, sync_ms)],
    )


def _number(value: float) -> str:
    """Return three digits that count, and no fraction of a large number."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}"
