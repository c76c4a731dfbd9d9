"""Backups of a PostgreSQL that servers share, and restores into one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backups.place import CANARY, Folder, quietly, rows
from tests.postgres import ask, execute
from tinyforge.clock import SystemClock
from tinyforge.errors import Refused
from tinyforge.server.backups import back_up
from tinyforge.store.port.backups import Step
from tinyforge.store.postgres.house import House
from tinyforge.store.postgres.store import PostgresStore

NUMBERS = "SELECT count(*) FROM {}"


async def count(url: str, table: str) -> object:
    return await ask(url, NUMBERS.format(table))


async def test_a_file_is_restored_into_postgresql_and_backed_up_while_it_serves(
    folder: Folder, url: str
) -> None:
    view = await folder.back_up()
    restored = await folder.restore(view.file, database=url)
    assert restored.target.startswith("postgresql://")
    assert await ask(url, "SELECT count(*) FROM facts WHERE name = 'backup'") == 0
    house = House(clock=SystemClock(), version="1.0")
    async with PostgresStore.open(url, house) as store:
        again = await back_up(url, folder.data.parent / "again.db", quietly)
        assert len(await store.replicas()) == 1
    assert again.keys == view.keys
    assert CANARY.encode() not in Path(again.file).read_bytes()
    for table in ("triggers", "revisions", "epochs", "spans", "secrets", "endpoints", "events"):
        query = f"SELECT * FROM {table} ORDER BY 1, 2"
        before, after = rows(Path(view.file), query), rows(Path(again.file), query)
        assert len(before) == len(after) > 0, table
    new = Folder(folder.data.parent / "new")
    await new.restore(again.file, key_path=folder.key)
    assert new.rows("SELECT count(*) FROM audit WHERE action = 'restore'") == [(2,)]


async def test_row_36_of_security_what_is_there_goes_only_if_asked_and_its_audit_stays(
    folder: Folder, url: str
) -> None:
    view = await folder.back_up()
    await folder.restore(view.file, database=url)
    await execute(url, "INSERT INTO facts(name, value) VALUES ('later', 'yes')")
    await execute(url, "INSERT INTO audit VALUES (1, 1, 'me', 'did', 'it', '', '', '')")
    with pytest.raises(Refused, match="is not empty"):
        await folder.restore(view.file, database=url)
    assert await count(url, "facts WHERE name = 'later'") == 1
    await folder.restore(view.file, database=url, force=True)
    assert await count(url, "facts WHERE name = 'later'") == 0
    assert await count(url, "audit WHERE action = 'restore'") == 2
    assert await count(url, "audit WHERE action = 'did'") == 1
    with pytest.raises(Exception, match="only appended to"):
        await execute(url, "DELETE FROM audit")


class Stop(Exception):
    """Something else that ends a restore."""


async def test_a_restore_that_ends_early_leaves_the_old_database(folder: Folder, url: str) -> None:
    view = await folder.back_up()
    await folder.restore(view.file, database=url)
    await execute(url, "INSERT INTO facts(name, value) VALUES ('later', 'yes')")

    def tell(step: Step) -> None:
        if step.name == "runs":
            raise Stop

    with pytest.raises(Stop):
        await folder.restore(view.file, tell, database=url, force=True)
    assert await count(url, "facts WHERE name = 'later'") == 1
    assert await count(url, "audit WHERE action = 'restore'") == 1


async def test_while_servers_live_nothing_is_restored(folder: Folder, url: str) -> None:
    view = await folder.back_up()
    async with PostgresStore.open(url, House(clock=SystemClock(), version="1.0")):
        with pytest.raises(Refused, match="stop them"):
            await folder.restore(view.file, database=url, force=True)
