"""SQL triggers are off on our own connections, so the audit is kept from them another way."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tinyforge.store.sqlite.connection import DATABASE, open_writer
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.testing.clock import MovableClock

REPLACE = "INSERT OR REPLACE INTO audit SELECT 1, 2, 'nobody', '', '', '', '', ''"
PUT = "INSERT INTO audit VALUES (1, 2, 'local:me', 'pause_trigger', 'often', '', '', 'local')"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "INSERT INTO audit SELECT * FROM audit WHERE true ON CONFLICT DO UPDATE SET actor = ''",
    ],
)
async def test_our_own_connection_only_appends_to_the_audit(tmp_path: Path, statement: str) -> None:
    async with SqliteStore.open(tmp_path, MovableClock()):
        pass
    connection = open_writer(tmp_path / DATABASE)
    try:
        connection.execute(PUT)
        with pytest.raises(apsw.Error):
            connection.execute(statement)
        assert list(connection.execute("SELECT id, actor FROM audit")) == [(1, "local:me")]
        connection.execute("DELETE FROM tokens")
    finally:
        connection.close()


async def test_another_program_replaces_nothing_in_the_audit(tmp_path: Path) -> None:
    async with SqliteStore.open(tmp_path, MovableClock()):
        pass
    other = apsw.Connection(str(tmp_path / DATABASE))
    try:
        other.execute(PUT)
        with pytest.raises(apsw.ConstraintError, match="only appended to"):
            other.execute(REPLACE)
        assert list(other.execute("SELECT actor FROM audit")) == [("local:me",)]
    finally:
        other.close()
