"""The page about scale multiplies rightly, and says the limits that the code has."""

from __future__ import annotations

import re

from tests.docs.tables import CELLS, page, section
from tinyforge.ids import Ids
from tinyforge.store.postgres.connection import MOST_CONNECTIONS
from tinyforge.store.postgres.heart import EVERY
from tinyforge.store.postgres.registry import LEASE_SECONDS, MOST_REPLICAS

PAGE = page("scale.md")
DAY = 86_400
KEPT = 90  # days


def table(heading: str) -> dict[str, list[str]]:
    lines = [line for line in section(PAGE, heading).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in CELLS.split(line)[1:-1]] for line in lines]
    return {first: others for first, *others in cells}


def number(text: str) -> float:
    found = re.search(r"[\d,]+(?:\.\d+)?", text)
    assert found, text
    return float(found[0].replace(",", ""))


def test_what_a_window_takes_is_the_sum_of_its_rows() -> None:
    sizes = table("## Disk")
    for column in (0, 1):
        parts = [number(sizes[row][column]) for row in ("event", "run", "attempt")]
        assert number(sizes["all of it"][column]) == sum(parts)


def test_days_and_bytes_are_products_of_what_was_measured() -> None:
    cells = table("## Disk")
    file, database = map(number, cells["all of it"])
    log = number(cells["log of writes (WAL)"][1])
    rates = [rate for rate in cells if re.fullmatch(r"[\d,]+", rate)]
    assert rates == ["1", "17", "100", "1,000"]
    for rate in rates:
        windows, *sizes = cells[rate]
        assert number(windows) == number(rate) * DAY
        each = [file, file * KEPT, database, database * KEPT, log]
        for said, size in zip(sizes, each, strict=True):
            digits = len(said.removesuffix(" GB").partition(".")[2])
            assert number(said) == round(number(windows) * size / 1e9, digits), rate


def test_the_limits_of_replicas_are_those_of_the_code() -> None:
    heading = "## Several servers on one PostgreSQL"
    limits = {what: cells[0] for what, cells in table(heading).items()}
    connections = MOST_CONNECTIONS + 1
    assert number(limits["servers, at most"]) == MOST_REPLICAS
    assert number(limits["connections of one server, at most"]) == connections
    assert number(limits["servers on PostgreSQL's own 100 connections"]) == 97 // connections
    assert number(limits["heartbeats of 3 servers"]) == 3 / EVERY
    assert number(limits["heartbeats of 512 servers"]) == round(MOST_REPLICAS / EVERY)
    assert number(limits["a dead server's runs"]) == LEASE_SECONDS + 3


def test_a_millisecond_has_as_many_ids_as_the_page_says() -> None:
    heading = "## Several servers on one PostgreSQL"
    count = int(number(table(heading)["ids of one server in a millisecond"][0]))
    moments = [one >> 21 for one in Ids(replica=511).many(count + 1, 10**15)]
    assert moments.count(moments[0]) == count
