"""The page about events names every field and every word, for every kind with an endpoint."""

from __future__ import annotations

import re

from tests.docs.tables import codes, page, rows, section
from tests.docs.test_manifest_page import BUILT_IN
from tinyforge.deliveries import EVENTS, Change

PAGE = page("reference/event.md")
RECEIVING = BUILT_IN["trigger"] - {"schedule", "manual", "run"}


def test_every_field_is_described_in_its_order() -> None:
    shape = PAGE[: PAGE.index("\n## ")]
    assert tuple(rows(shape)) == Change.__struct_fields__


def test_every_event_is_described() -> None:
    assert set(rows(section(PAGE, "## What happened"))) == set(EVENTS)


def test_every_kind_says_what_it_fills() -> None:
    table = section(PAGE, "## Who says what")
    heading, *lines = [line for line in table.splitlines() if line.startswith("|")]
    assert set(codes(heading)) == RECEIVING
    told = {name for line in lines for name in codes(line.split("|")[1])}
    assert told == set(Change.__struct_fields__) - {"event"}


def test_every_kind_says_how_it_is_known_and_proved() -> None:
    for heading in ("## The same event twice", "## How each proves itself"):
        first_cells = re.findall(r"^\| (`[^|]*)\|", section(PAGE, heading), re.MULTILINE)
        assert {name for cell in first_cells for name in codes(cell)} == RECEIVING
