"""The map shows every room of the house, and fits on a screen."""

from __future__ import annotations

import re
from pathlib import Path

import tinyforge
from tests.docs.tables import DOCS, page, rows

HOUSE = Path(tinyforge.__file__).parent
LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def rooms() -> set[str]:
    files = {f"{file.name}" for file in HOUSE.glob("*.py") if file.name != "__init__.py"}
    return files | {f"{file.parent.name}/" for file in HOUSE.glob("*/__init__.py")}


def test_every_room_is_on_the_map() -> None:
    assert set(rows(page("map.md"))) == rooms()


def test_the_map_fits_on_one_screen() -> None:
    assert page("map.md").count("\n") <= 70


def test_every_decision_fits_on_a_page_and_has_its_number() -> None:
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    for number, file in enumerate(decisions, 1):
        assert file.name.startswith(f"{number:04}-")
        assert file.read_text().startswith(f"# {number}. ")
        assert len(file.read_text().splitlines()) <= 60


def test_every_link_leads_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]
    dead = [
        f"{file.relative_to(DOCS.parent)}: {target}"
        for file in pages
        for target in LINKS.findall(file.read_text())
        if not (file.parent / target).exists()
    ]
    assert dead == []
