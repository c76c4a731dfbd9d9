"""A backup is everything as of one moment, in one file, while a server runs."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from tests.backups.place import CANARY, Folder, quietly, rows
from tests.operations.house import HandClock, open_house
from tinyforge.clock import SECOND
from tinyforge.errors import Refused
from tinyforge.server.backups import back_up
from tinyforge.store.port.backups import Step

BUSY = """
version: 1
workloads:
  site: {kind: command, command: ["true"], queue: every}
triggers:
  often: {kind: schedule, interval: 10s}
bindings:
  - {trigger: often, workload: site}
"""


async def test_a_backup_says_in_every_table_what_the_file_says(folder: Folder) -> None:
    before = folder.content()
    view = await folder.back_up()
    assert folder.content() == before
    (copied := folder.data.parent / "copied").mkdir()
    os.link(view.file, copied / "tinyforge.db")
    after = Folder(copied).content()
    mark = [row for row in after["facts"] if row not in before["facts"]]
    assert [row[0] for row in mark] == ["backup"]
    after["facts"] = [row for row in after["facts"] if row not in mark]
    assert after == before


async def test_a_backup_is_one_whole_file_for_its_user_alone(folder: Folder) -> None:
    view = await folder.back_up("there/copy.db")
    made = Path(view.file)
    assert [path.name for path in made.parent.iterdir()] == ["copy.db"]
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    assert made.stat().st_size == view.bytes
    assert rows(made, "PRAGMA integrity_check") == [("ok",)]
    assert rows(made, "PRAGMA journal_mode") == [("delete",)]


async def test_row_14_of_security_a_backup_holds_the_keys_id_and_no_key(folder: Folder) -> None:
    view = await folder.back_up()
    key_id, material = folder.key.read_text().splitlines()[-1].split()
    made = Path(view.file).read_bytes()
    assert list(view.keys) == [key_id]
    assert key_id.encode() in made
    assert material.encode() not in made
    assert CANARY.encode() not in made


async def test_while_a_server_writes_each_backup_is_of_one_moment(tmp_path: Path) -> None:
    folder, clock = Folder(tmp_path / "data"), HandClock()
    folder.data.mkdir()
    async with open_house(folder.data, clock) as house:
        await house.apply(BUSY)
        working, steps = True, []

        def tell(step: Step) -> None:
            steps.append(step)

        async def work() -> None:
            while working:
                await house.pass_time(10 * SECOND)

        task = asyncio.create_task(work())
        made = [await back_up(folder.data, tmp_path / f"{n}.db", tell) for n in range(3)]
        working = False
        await task
    counts = [one_moment(Path(view.file)) for view in made]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1], "the server went on meanwhile"
    assert {step.name for step in steps} == {"copied", "checked"}


def one_moment(path: Path) -> int:
    """Return how many events there are; each has its run, whenever the copy was made."""
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    orphans = (
        "SELECT count(*) FROM events e LEFT JOIN runs r ON r.event_id = e.id WHERE r.id IS NULL"
    )
    assert rows(path, orphans) == [(0,)]
    ((count,),) = rows(path, "SELECT count(*) FROM events")
    assert isinstance(count, int)
    return count


async def test_no_file_is_overwritten(folder: Folder) -> None:
    await folder.back_up()
    with pytest.raises(Refused, match="is there already"):
        await folder.back_up()


async def test_what_a_killed_backup_left_is_in_nobodys_way(folder: Folder) -> None:
    part = folder.data.parent / ".copy.db.part"
    for end in ("", "-journal", "-wal"):
        part.with_name(part.name + end).write_bytes(b"half of something")
    view = await folder.back_up()
    assert rows(Path(view.file), "PRAGMA integrity_check") == [("ok",)]
    assert sorted(path.name for path in folder.data.parent.iterdir()) == ["copy.db", "data"]


async def test_where_there_is_no_database_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no"):
        await back_up(tmp_path, tmp_path / "copy.db", quietly)
    assert not list(tmp_path.iterdir())


async def test_a_broken_database_makes_no_backup(folder: Folder) -> None:
    with folder.database.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(30 * 4096))
    with pytest.raises(Exception, match=r"broken|malformed"):
        await folder.back_up()
    assert [path.name for path in folder.data.parent.iterdir()] == ["data"]
