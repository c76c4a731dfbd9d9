"""Sizes as people write them."""

from __future__ import annotations

LONGEST = 15  # digits
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "B": 1, "": 1}


def read_size(text: str) -> int:
    """Return bytes; ValueError says what a size looks like."""
    number = text.rstrip("BKMGTi")
    unit = text[len(number) :]
    if not (number.isascii() and number.isdigit() and len(number) <= LONGEST and unit in UNITS):
        raise ValueError(f"{text!r} is no size; write for example 500MiB, 1GiB or 1073741824")
    return int(number) * UNITS[unit]


def show_size(size: int) -> str:
    """Return *size* in the largest unit that leaves at least one of it: `1.5 MiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size >= UNITS[unit]:
            return f"{size / UNITS[unit]:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} B"
