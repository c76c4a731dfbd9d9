"""Columns as `store.cells` reads them."""

from __future__ import annotations

from collections.abc import Sequence

from tinyforge.store import cells


def as_cells(values: Sequence[object]) -> list[object]:
    """Return each column as its type and value: here the database keeps the types."""
    found: list[object] = []
    for value in values:
        if value is None:
            found += ("null", None)
        elif isinstance(value, str):
            found += ("text", value.encode()[: cells.MOST_BYTES + 1])
        else:
            found += ("integer", value)
    return found
