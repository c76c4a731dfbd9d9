"""The tables of a reference page, as a test reads them."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
CODE = re.compile(r"`([^`]+)`")
CELLS = re.compile(r"(?<!\\)\|")


def page(name: str) -> str:
    return (DOCS / name).read_text()


def section(text: str, heading: str) -> str:
    """Return what stands under *heading*, up to the next one that is not below it."""
    level = heading.split(" ", maxsplit=1)[0]
    begin = text.index(f"\n{heading}\n") + len(heading) + 1
    following = re.compile(rf"^#{{1,{len(level)}}} ", re.MULTILINE).search(text, begin)
    return text[begin : following.start() if following else len(text)]


def rows(text: str) -> dict[str, list[str]]:
    """Return the other cells of each table row whose first cell is one piece of code."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in CELLS.split(line)[1:-1]]
        name = CODE.fullmatch(cells[0]) if cells else None
        if name:
            assert name[1] not in found, f"{name[1]} stands there twice"
            found[name[1]] = cells[1:]
    return found


def codes(cell: str) -> list[str]:
    return CODE.findall(cell)


def headings(text: str, level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} (.+)$", text, re.MULTILINE)
