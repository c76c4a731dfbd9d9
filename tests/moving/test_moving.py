"""Everything goes to PostgreSQL and comes back as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.moving.history import by_hand, content
from tests.postgres import ask, execute
from tinyforge.clock import SystemClock
from tinyforge.errors import NewerSchema, Refused
from tinyforge.operations.moving import MoveView, Progress
from tinyforge.server.moving import move
from tinyforge.store.migrate import SCHEMA
from tinyforge.store.port.moving import MOVED
from tinyforge.store.postgres.house import House
from tinyforge.store.postgres.moving import open_target
from tinyforge.store.postgres.store import PostgresStore
from tinyforge.store.sqlite import moving as files
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.testing.clock import MovableClock

# What one of the two keeps for its own use, and the other would not know what to do with.
OF_ONE_ALONE = {
    "events": {"tried_by"},
    "runs": {"repeatable", "recovered_by"},
}
WAITS = """
SELECT EXISTS (SELECT 1 FROM pg_locks WHERE relation = 'servers'::regclass AND NOT granted)"""
ODD_CELLS = 7  # that PostgreSQL cannot hold
LOSE_ONE = """
CREATE FUNCTION lose_one() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF NEW.id % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TRIGGER lose_one BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION lose_one()"""


async def moved(source: Path | str, target: Path | str) -> MoveView:
    return await move(source, target, lambda _: None)


async def refusal(source: Path | str, target: Path | str) -> Refused:
    with pytest.raises(Refused) as refused:
        await moved(source, target)
    return refused.value


async def is_empty(url: str) -> bool:
    """Say whether a move would find room there."""
    async with open_target(url, SystemClock()):
        return True


async def test_a_round_trip_leaves_every_cell_as_it_was(
    file: Path, url: str, tmp_path: Path
) -> None:
    before = content(file)
    there = await moved(file, url)
    assert await ask(url, "SELECT count(*) FROM stand_ins") == ODD_CELLS
    back = await moved(url, tmp_path / "again")
    assert content(file) == before
    assert content(tmp_path / "again") == before
    assert [table.checksum for table in there.tables] == [table.checksum for table in back.tables]
    assert [table.name for table in there.tables if not table.rows] == []


async def test_a_cell_that_was_mended_there_comes_back_mended(
    file: Path, url: str, tmp_path: Path
) -> None:
    await moved(file, url)
    await execute(url, "UPDATE triggers SET enabled = 1 WHERE name = 'odd'")
    await moved(url, tmp_path / "again")
    names = {row[1] for row in content(tmp_path / "again")["triggers"]}
    assert names == {row[1] for row in content(file)["triggers"]}
    other = [
        row
        for row in content(tmp_path / "again")["triggers"]
        if row not in content(file)["triggers"]
    ]
    assert len(other) == 1


async def test_what_stands_in_for_nonsense_is_as_broken_as_that(file: Path, url: str) -> None:
    await moved(file, url)
    async with PostgresStore.open(url, House(clock=SystemClock(), version="1")) as store:
        (odd,) = [row for row in (await store.catalog()).triggers if row.name == "odd"]
        (found,) = await store.inspect("trigger", [odd.id])
        assert any("enabled: holds integer -1" in problem for problem in found.problems)


async def test_a_cell_that_nothing_can_stand_in_for_is_named_with_the_fix(
    file: Path, url: str
) -> None:
    by_hand(file, "UPDATE timing SET last_fired_at = 'yesterday' WHERE trigger_id = 4")
    refused = await refusal(file, url)
    assert refused.problem == (
        "timing 4: last_fired_at holds str 'yesterday', and PostgreSQL takes bigint alone there"
    )
    assert refused.fix.startswith("start a server on the file once")
    assert await is_empty(url)


async def test_ids_go_on_above_those_that_came(file: Path, url: str, tmp_path: Path) -> None:
    await moved(file, url)
    house = House(clock=MovableClock(), version="1")
    async with PostgresStore.open(url, house) as store:
        instance = store.instance
        highest = await ask(url, "SELECT greatest(max(id), 0) FROM events")
        assert isinstance(highest, int)
        assert store.new_id(0) > instance > highest
    assert await ask(url, "INSERT INTO specs(text) VALUES ('one') RETURNING id > 2") is True
    await moved(url, tmp_path / "again")
    async with SqliteStore.open(tmp_path / "again", MovableClock()) as again:
        assert again.instance > instance


async def test_a_target_that_is_not_empty_is_refused(file: Path, url: str, tmp_path: Path) -> None:
    await moved(file, url)
    assert (await refusal(file, url)).problem.endswith("it has 8 rows in triggers")
    await moved(url, tmp_path / "again")
    kept = content(tmp_path / "again")
    refused = await refusal(url, tmp_path / "again")
    assert refused.problem.startswith(f"{tmp_path / 'again' / DATABASE} is not empty")
    assert content(tmp_path / "again") == kept


async def test_a_file_that_was_served_and_holds_nothing_is_no_obstacle(
    file: Path, url: str, tmp_path: Path
) -> None:
    await moved(file, url)
    async with SqliteStore.open(tmp_path / "again", MovableClock()):
        pass
    await moved(url, tmp_path / "again")
    assert content(tmp_path / "again") == content(file)


async def test_a_file_that_a_server_has_is_refused_at_both_ends(
    file: Path, url: str, tmp_path: Path
) -> None:
    async with SqliteStore.open(file, MovableClock()):
        assert (await refusal(file, url)).problem == f"a server has {file}"
    await moved(file, url)
    async with SqliteStore.open(tmp_path / "again", MovableClock()):
        assert (await refusal(url, tmp_path / "again")).fix.startswith("stop it")


async def test_a_database_that_replicas_serve_is_refused_at_both_ends(
    file: Path, url: str, tmp_path: Path
) -> None:
    async with PostgresStore.open(url, House(clock=SystemClock(), version="7.7")):
        assert "1 servers of version 7.7 serve" in (await refusal(file, url)).problem
        refused = await refusal(url, tmp_path / "again")
    assert "1 servers of version 7.7 serve" in refused.problem
    assert refused.fix.startswith("stop them")
    assert not (tmp_path / "again" / DATABASE).exists()


async def test_a_replica_does_not_begin_to_serve_in_the_middle(url: str) -> None:
    serves = asyncio.Event()

    async def start() -> None:
        async with PostgresStore.open(url, House(clock=SystemClock(), version="1")):
            serves.set()

    async with open_target(url, SystemClock()), asyncio.timeout(30):
        replica = asyncio.create_task(start())
        while not await ask(url, WAITS):
            assert not replica.done()
        assert not serves.is_set()
    await replica
    assert serves.is_set()


async def test_a_target_that_does_not_keep_what_it_is_given_is_found_out(
    file: Path, url: str
) -> None:
    assert await is_empty(url)
    await execute(url, LOSE_ONE)
    refused = await refusal(file, url)
    assert refused.problem.startswith(
        "the target is not what the source is, and was not kept: runs"
    )
    await execute(url, "DROP TRIGGER lose_one ON runs")
    assert await is_empty(url)
    await moved(file, url)


async def test_an_older_file_is_to_be_served_once(file: Path, url: str) -> None:
    by_hand(file, f"UPDATE facts SET value = {SCHEMA - 1} WHERE name = 'schema'")
    refused = await refusal(file, url)
    assert f"has schema {SCHEMA - 1}, and {SCHEMA} is what is moved" in refused.problem
    assert refused.fix.endswith(f"tinyforge serve --data {file}")


async def test_a_newer_file_is_for_a_newer_program(file: Path, url: str) -> None:
    by_hand(file, f"UPDATE facts SET value = {SCHEMA + 1} WHERE name = 'schema'")
    with pytest.raises(NewerSchema):
        await moved(file, url)


async def test_a_run_that_is_to_be_cancelled_waits_for_a_server(
    file: Path, url: str, tmp_path: Path
) -> None:
    await moved(file, url)
    await execute(
        url, "INSERT INTO cancels SELECT id, 'me', 1 FROM runs WHERE state IN (2, 3) LIMIT 1"
    )
    refused = await refusal(url, tmp_path / "again")
    assert refused.problem.startswith("1 runs in ")
    assert refused.fix.startswith("start one server on it")


async def test_every_column_is_moved_but_what_one_keeps_for_itself(url: str, file: Path) -> None:
    async with open_target(url, SystemClock()) as target:
        there = await target.columns()
    with files.open_source(file) as source:
        here = await source.columns()
    for table in MOVED:
        ours = set(there[table.name]) ^ set(here[table.name])
        assert ours == OF_ONE_ALONE.get(table.name, set()), table.name
    assert set(here) - {table.name for table in MOVED} == {"servers"}
    assert set(there) - {table.name for table in MOVED} == {
        "servers",
        "marks",
        "cancels",
        "stand_ins",
    }


async def test_progress_is_told_table_by_table(file: Path, url: str) -> None:
    told: list[Progress] = []
    view = await move(file, url, told.append)
    checked = {one.table: one.done for one in told if one.is_checked}
    assert checked == {table.name: table.rows for table in view.tables}
    assert all(one.done <= one.total for one in told)
