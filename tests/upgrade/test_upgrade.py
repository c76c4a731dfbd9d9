"""Databases of every schema that landed, of programs to come, and of other processes."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from tests.engine.house import House, open_house
from tests.operations.house import ME
from tests.upgrade.make import AT, BUTTON, CRON, ODD, OFTEN, remembered
from tinyforge.clock import MINUTE
from tinyforge.errors import DataInUse, NewerSchema, StoreUnavailable
from tinyforge.model import Outcome, RunState
from tinyforge.operations.lists import Wanted
from tinyforge.store.migrate import SCHEMA, migrations
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.testing.clock import MovableClock

LANDED = range(1, SCHEMA + 1)
SHAPE = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
OPEN_IT = """
import asyncio, sys
from pathlib import Path
from tinyforge.errors import DataInUse
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.testing.clock import MovableClock

async def main():
    async with SqliteStore.open(Path(sys.argv[1]), MovableClock()):
        print("open", flush=True)
        sys.stdin.readline()

try:
    asyncio.run(main())
except DataInUse as problem:
    print(problem)
"""


def unpack(schema: int, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / DATABASE
    path.write_bytes(gzip.decompress(remembered(schema).read_bytes()))
    return folder


def shape(folder: Path) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(folder / DATABASE))
    try:
        return [tuple(row) for row in connection.execute(SHAPE)]
    finally:
        connection.close()


def change(folder: Path, statement: str) -> None:
    connection = apsw.Connection(str(folder / DATABASE))
    connection.execute(statement)
    connection.close()


def set_schema(folder: Path, schema: int, schema_min: int) -> None:
    connection = apsw.Connection(str(folder / DATABASE))
    for name, value in (("schema", schema), ("schema_min", schema_min)):
        connection.execute("UPDATE facts SET value = ? WHERE name = ?", (value, name))
    connection.close()


@pytest.mark.parametrize("schema", LANDED)
async def test_every_schema_that_landed_is_remembered_and_opens(
    tmp_path: Path, schema: int
) -> None:
    async with open_house(unpack(schema, tmp_path / "data"), MovableClock(AT)) as house:
        await everything_is_there(house)
        await house.pass_time(MINUTE)
        await house.settle()
        assert (await house.windows(OFTEN))[-1] == AT + MINUTE
        house.by_hand(f"DELETE FROM timing WHERE trigger_id = {OFTEN}")
        assert await house.sweep()
        assert await house.faults() == []


async def everything_is_there(house: House) -> None:
    assert len(await house.windows(OFTEN)) == 6
    (view,) = (await house.doors.lists.triggers(ME, Wanted(state="paused"))).items
    assert view.name == "cron"
    (broken,) = (await house.doors.lists.triggers(ME, Wanted(state="broken"))).items
    assert broken.name == "odd"
    assert await house.windows(ODD) == []
    (event,) = await house.events(BUTTON)
    assert [result.outcome for result in await house.results(event)] == [Outcome.NOT_MATCHED]
    assert [span.reason for span in await house.store.spans(CRON, 9)] == ["late"]
    states = {run.state for run in await house.runs()}
    assert states == {RunState.SUCCEEDED, RunState.QUEUED}
    first = (await house.runs())[0]
    assert [chunk.lines for chunk in await house.store.log(first.id)] == [["one line", "another"]]
    assert await house.faults() == []


def copies(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{DATABASE}.schema*"))


@pytest.mark.parametrize("schema", LANDED[:-1])
async def test_what_was_there_before_a_migration_is_kept_beside_it(
    tmp_path: Path, schema: int
) -> None:
    folder = unpack(schema, tmp_path / "data")
    before = shape(folder)
    async with SqliteStore.open(folder, MovableClock(AT)):
        pass
    (copy,) = copies(folder)
    assert copy.name == f"{DATABASE}.schema{schema}.20260105T121000Z"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    kept = tmp_path / "kept"
    kept.mkdir()
    copy.rename(kept / DATABASE)
    assert shape(kept) == before
    async with open_house(kept, MovableClock(AT)) as house:
        assert await house.store.check() == []
        await everything_is_there(house)


async def test_a_file_that_needs_no_migration_is_not_copied(tmp_path: Path) -> None:
    folder = unpack(SCHEMA, tmp_path / "data")
    await opened(folder)
    assert copies(folder) == []


async def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    folder = unpack(1, tmp_path / "data")
    change(folder, "ALTER TABLE servers ADD COLUMN labels TEXT")  # what the second one adds
    before = shape(folder)
    with pytest.raises(StoreUnavailable, match="duplicate column name: labels"):
        await opened(folder)
    assert shape(folder) == before
    assert copies(folder) == []
    change(folder, "ALTER TABLE servers DROP COLUMN labels")
    async with open_house(folder, MovableClock(AT)) as house:
        await everything_is_there(house)


async def test_the_last_schema_is_what_a_new_database_has(tmp_path: Path) -> None:
    """Guard what landed: a migration is added, never edited."""
    async with SqliteStore.open(tmp_path / "new", MovableClock()):
        pass
    assert shape(unpack(SCHEMA, tmp_path / "old")) == shape(tmp_path / "new")


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [one.number for one in migrations(0)] == list(LANDED)
    assert migrations(SCHEMA) == []


async def test_a_newer_database_is_refused_with_both_numbers(tmp_path: Path) -> None:
    set_schema(unpack(SCHEMA, tmp_path), SCHEMA + 2, SCHEMA + 1)
    with pytest.raises(NewerSchema) as refused:
        await opened(tmp_path)
    assert (refused.value.found, refused.value.known) == (SCHEMA + 2, SCHEMA)
    with pytest.raises(NewerSchema):
        async with SqliteStore.open_to_read(tmp_path):
            pass


async def test_a_newer_database_that_this_program_may_serve_is_served(tmp_path: Path) -> None:
    set_schema(unpack(SCHEMA, tmp_path), SCHEMA + 2, SCHEMA)
    await opened(tmp_path)
    connection = apsw.Connection(str(tmp_path / DATABASE))
    (found,) = connection.execute("SELECT value FROM facts WHERE name = 'schema'").fetchall()
    connection.close()
    assert found == (SCHEMA + 2,)


async def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    with process(tmp_path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(DataInUse, match=str(tmp_path)):
            await opened(tmp_path)
        other.kill()
        other.wait()
        await opened(tmp_path)


async def test_this_process_keeps_a_second_one_out(tmp_path: Path) -> None:
    async with SqliteStore.open(tmp_path, MovableClock()):
        with process(tmp_path) as other:
            said, _ = other.communicate("\n", timeout=30)
    assert f"another process serves {tmp_path}" in said


async def test_what_is_made_belongs_to_its_user_alone(tmp_path: Path) -> None:
    await opened(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / DATABASE).stat().st_mode) == 0o600


async def opened(folder: Path) -> None:
    async with SqliteStore.open(folder, MovableClock()):
        pass


def process(folder: Path) -> subprocess.Popen[str]:
    source = Path(__file__).parents[2] / "src"
    return subprocess.Popen(
        [sys.executable, "-c", OPEN_IT, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
