"""What is asked at each sweep goes by its index, however many rows there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
import pytest_asyncio

from tinyforge.store.sqlite import hot, parts, statements, upkeep
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.testing.clock import MovableClock
from tinyforge.testing.store.site import EVERY_MINUTE, Planned, fire, put_site

INDEXED = {
    "claim what is due": (statements.DUE, (0, 0, 1, 1), "timing_due"),
    "when the next is due": (statements.NEXT_DUE, (), "timing_due"),
    "the oldest that is due": (upkeep.OLDEST_DUE, (), "timing_due"),
    "events of this server without results": (hot.OPEN, (0, 0, 1), "event_open"),
    "events left by another": (hot.LEFT, (0, 1), "event_open"),
    "bindings of triggers": (statements.ROUTES, ("[1]",), "binding_of"),
    "what is queued": (parts.WAITING, (), "run_queue"),
    "what is running": (parts.RUNNING, (), "run_busy"),
}
BY_KEY = {
    "rows changed by hand": (statements.UNPLANNED, (1,), "SCAN unplanned"),  # in its order, no sort
    "specs": (statements.SPECS, ("[1]",), "SEARCH specs USING INTEGER PRIMARY KEY"),
    "an advance": (statements.ADVANCE, ("[]", 0), "SEARCH timing USING"),
    "results of events": (statements.FANNED, ("[]", 0), "SEARCH events USING INTEGER PRIMARY KEY"),
    "runs that are taken": (statements.TAKE, ("[]", 0, 0), "SEARCH runs USING INTEGER PRIMARY KEY"),
    "runs that ended": (statements.FINISH, ("[]", 0), "SEARCH runs USING INTEGER PRIMARY KEY"),
}
SORTED = {"what is queued"}  # few, and an index in their order has all that ever were
LARGE = ("timing", "events", "runs", "results", "attempts", "spans")


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[apsw.Connection]:
    async with SqliteStore.open(tmp_path, MovableClock()) as store:
        await put_site(store, Planned(name="schedule", spec=EVERY_MINUTE))
        await fire(store, await put_site(store))
    connection = apsw.Connection(str(tmp_path / DATABASE))
    yield connection
    connection.close()


def plan(database: apsw.Connection, statement: str, values: tuple[object, ...]) -> str:
    rows = database.execute(f"EXPLAIN QUERY PLAN {statement}", values)
    return "\n".join(str(row[3]) for row in rows)


@pytest.mark.parametrize("name", INDEXED)
async def test_it_uses_its_index(database: apsw.Connection, name: str) -> None:
    statement, values, index = INDEXED[name]
    found = plan(database, statement, values)
    assert f"INDEX {index}" in found
    assert ("TEMP B-TREE" in found) is (name in SORTED)
    assert_no_scan(found, but=index)


@pytest.mark.parametrize("name", BY_KEY)
async def test_it_goes_by_its_key(database: apsw.Connection, name: str) -> None:
    statement, values, line = BY_KEY[name]
    found = plan(database, statement, values)
    assert line in found
    assert_no_scan(found)


def assert_no_scan(found: str, but: str = "none") -> None:
    """No table that grows is read from end to end; a partial index may be."""
    for line in found.splitlines():
        scanned = line.startswith("SCAN ") and line.split()[1] in LARGE
        assert not scanned or but in line, found
