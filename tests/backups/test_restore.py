"""A restore makes the database of a backup: the old one stands, or the new one, never a part."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.backups.place import Folder
from tests.operations.house import ME, HandClock, open_house
from tests.torture.served import environment
from tests.upgrade.make import remembered
from tinyforge.clock import HOUR, SECOND, SystemClock
from tinyforge.errors import KeyMissing, NewerSchema, Refused
from tinyforge.references import opened_by, resolve
from tinyforge.store.sqlite.store import SqliteStore

OPEN_EVENT = """
INSERT INTO events(id, trigger_id, key, accepted_at) SELECT max(id) + 1, 7, 'k', 5 FROM events"""
OWN = {"facts", "runs", "attempts", "results", "events", "audit"}
OFTEN = """
version: 1
workloads:
  site: {kind: command, command: ["true"]}
triggers:
  often: {kind: schedule, interval: 1h}
bindings:
  - {trigger: often, workload: site}
"""


async def test_what_is_restored_says_what_the_backup_says(folder: Folder) -> None:
    before = folder.content()
    view = await folder.back_up()
    new = Folder(folder.data.parent / "new")
    await new.restore(view.file, key_path=folder.key)
    after = new.content()
    for table in before.keys() - OWN:
        assert after[table] == before[table], table
    assert len(after["audit"]) == len(before["audit"]) + 1
    assert sorted(path.name for path in new.data.iterdir()) == ["tinyforge.db", "tinyforge.lock"]
    assert new.database.stat().st_mode & 0o777 == 0o600


async def test_what_is_sealed_opens_after_a_restore(folder: Folder) -> None:
    view = await folder.back_up()
    new = Folder(folder.data.parent / "new")
    await new.restore(view.file, key_path=folder.key)
    shutil.copy2(folder.key, new.key)
    async with open_house(new.data) as house:
        await house.vault.unlock()
        shown: Any = (await house.doors.triggers.show("push", ME)).trigger.config
        with opened_by(house.vault.value):
            assert resolve(shown["secret"]).startswith("canary-")


async def test_what_was_under_way_is_interrupted(folder: Folder) -> None:
    (first, second) = folder.rows("SELECT id FROM runs ORDER BY id LIMIT 2")
    ended = "UPDATE runs SET state = ?, started_at = 5, attempt = 1, ended_at = NULL WHERE id = ?"
    folder.by_hand("UPDATE runs SET state = 4 WHERE state IN (2, 3)")
    folder.by_hand(ended, 3, first[0])
    folder.by_hand(ended, 2, second[0])
    folder.by_hand("DELETE FROM attempts WHERE run_id = ?", first[0])
    folder.by_hand(OPEN_EVENT)
    opened = folder.rows("SELECT count(*) FROM events WHERE fanned_at IS NULL")
    view = await folder.back_up()
    restored = await folder.restore(view.file, force=True)
    assert (restored.runs, restored.events) == (2, opened[0][0])
    query = "SELECT id, state FROM runs WHERE error LIKE 'restored from a backup%' ORDER BY id"
    assert folder.rows(query) == [(first[0], 8), (second[0], 8)]
    died = "SELECT outcome FROM attempts WHERE run_id = ? AND n = 1"
    assert folder.rows(died, first[0]) == [("died",)]
    assert folder.rows("SELECT count(*) FROM events WHERE fanned_at IS NULL") == [(0,)]
    settled = "SELECT count(*) FROM results WHERE reason LIKE 'restored from a backup%'"
    bound = "SELECT count(*) FROM bindings WHERE deleted_at IS NULL AND trigger_id = 7"
    assert folder.rows(settled) == folder.rows(bound) != [(0,)]


async def missed(folder: Folder, *, skip: bool) -> list[tuple[str, str]]:
    """Restore what was backed up a day ago, and return what the first sweep decides."""
    clock = HandClock(SystemClock().now() - 24 * HOUR)
    folder.data.mkdir()
    async with open_house(folder.data, clock) as house:
        await house.apply(OFTEN)
        await house.pass_time(SECOND)
        await house.work()
    view = await folder.back_up()
    await folder.restore(view.file, force=True, skip_missed=skip)
    async with open_house(folder.data, HandClock(SystemClock().now() + SECOND)) as house:
        await house.pass_time(0)
        explained = await house.doors.explain.explain("often", ME)
        verified = await house.doors.verify.verify(ME)
        assert verified.ok, verified
        late = [one.words for one in explained.decisions if one.verdict == "skipped"]
        assert all("`restore --skip-missed`" in words for words in late)
        return [(one.verdict, one.event or "") for one in explained.decisions]


async def test_missed_windows_follow_the_catch_up_rule(tmp_path: Path) -> None:
    decided = await missed(Folder(tmp_path / "data"), skip=False)
    assert [verdict for verdict, _ in decided].count("fired") == 2
    assert "skipped" not in [verdict for verdict, _ in decided]


async def test_missed_windows_are_skipped_where_that_is_asked_for(tmp_path: Path) -> None:
    decided = await missed(Folder(tmp_path / "data"), skip=True)
    assert [verdict for verdict, _ in decided] == ["skipped", "fired"]


async def test_a_schedule_that_rests_is_left_to_its_resume(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    folder.data.mkdir()
    async with open_house(folder.data, HandClock(SystemClock().now() - HOUR)) as house:
        await house.apply(OFTEN)
        await house.doors.triggers.pause("often", ME)
    view = await folder.back_up()
    restored = await folder.restore(view.file, force=True, skip_missed=True)
    assert restored.skipped == 0
    assert folder.rows("SELECT count(*) FROM spans") == [(0,)]


async def test_nothing_is_overwritten_unless_asked(folder: Folder) -> None:
    view, before = await folder.back_up(), folder.content()
    with pytest.raises(Refused, match="is there already"):
        await folder.restore(view.file)
    assert folder.content() == before


async def test_what_was_there_is_kept_beside(folder: Folder) -> None:
    view = await folder.back_up()
    folder.by_hand("INSERT INTO facts(name, value) VALUES ('later', 'yes')")
    before = folder.content()
    restored = await folder.restore(view.file, force=True)
    assert restored.kept
    (kept := folder.data.parent / "kept").mkdir()
    Path(restored.kept).rename(kept / "tinyforge.db")
    assert Folder(kept).content() == before
    assert folder.rows("SELECT count(*) FROM facts WHERE name = 'later'") == [(0,)]


async def test_the_audit_of_what_is_replaced_goes_on(folder: Folder) -> None:
    view = await folder.back_up()
    async with open_house(folder.data) as house:
        await house.apply(OFTEN.replace("often", "hourly"))
    last = folder.rows("SELECT id, action FROM audit ORDER BY id DESC LIMIT 1")
    await folder.restore(view.file, force=True)
    told = folder.rows("SELECT id, action, actor, target FROM audit ORDER BY id")
    assert told[-1][1:] == ("restore", "local:me", "copy.db")
    assert last[0] in [row[:2] for row in told]
    assert folder.rows("SELECT count(*) FROM triggers WHERE name = 'hourly'") == [(0,)]


async def test_row_14_of_security_without_the_key_nothing_is_touched(folder: Folder) -> None:
    view = await folder.back_up()
    key_id = folder.key.read_text().split()[-2]
    folder.key.rename(folder.data.parent / "elsewhere")
    new = Folder(folder.data.parent / "new")
    with pytest.raises(KeyMissing, match=f"the key {key_id} is wanted"):
        await new.restore(view.file, force=True)
    assert not new.data.exists()
    with pytest.raises(KeyMissing):
        await folder.restore(view.file, force=True)
    assert not [path for path in folder.data.iterdir() if "restoring" in path.name]


@pytest.mark.parametrize("harm", ["cut", "torn", "empty", "text", "other", "absent", "in use"])
async def test_what_is_no_whole_backup_is_refused_before_anything(
    folder: Folder, harm: str
) -> None:
    view = await folder.back_up()
    backup = Path(view.file)
    harmed(backup, harm)
    before = folder.content()
    with pytest.raises(Refused):
        await folder.restore(backup, force=True)
    assert folder.content() == before
    assert not [path for path in folder.data.iterdir() if "restoring" in path.name]


def harmed(backup: Path, harm: str) -> None:
    match harm:
        case "cut":
            os.truncate(backup, backup.stat().st_size // 2)
        case "torn":
            with backup.open("r+b") as file:
                file.seek(5 * 4096)
                file.write(os.urandom(20 * 4096))
        case "empty":
            os.truncate(backup, 0)
        case "text":
            backup.write_text("version: 1\n" * 1000)
        case "other":
            backup.unlink()
            subprocess.run(
                [sys.executable, "-c", OTHER_DATABASE, str(backup)], check=True, timeout=20
            )
        case "absent":
            backup.unlink()
        case "in use":
            backup.with_name(f"{backup.name}-wal").write_bytes(b"something")


OTHER_DATABASE = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE TABLE a(b)')"


async def test_a_newer_backup_is_refused_with_both_numbers(folder: Folder) -> None:
    folder.by_hand("UPDATE facts SET value = 99 WHERE name IN ('schema', 'schema_min')")
    view = await folder.back_up()
    with pytest.raises(NewerSchema, match="99"):
        await folder.restore(view.file, force=True)


@pytest.mark.parametrize("schema", [1, 2])
async def test_an_older_backup_is_brought_up_to_date(tmp_path: Path, schema: int) -> None:
    (backup := tmp_path / "old.db").write_bytes(gzip.decompress(remembered(schema).read_bytes()))
    new = Folder(tmp_path / "data")
    before = backup.read_bytes()
    await new.restore(backup)
    assert backup.read_bytes() == before
    assert new.rows("SELECT count(*) FROM secrets") == [(0,)]
    async with open_house(new.data) as house:
        assert (await house.doors.verify.verify(ME)).checked.windows > 0


async def test_while_a_server_has_the_folder_nothing_is_restored(folder: Folder) -> None:
    view = await folder.back_up()
    async with SqliteStore.open(folder.data, HandClock()):
        with pytest.raises(Refused, match="stop it"):
            await folder.restore(view.file, force=True)


async def test_a_database_that_nobody_can_open_is_replaced(folder: Folder) -> None:
    view = await folder.back_up()
    folder.database.write_bytes(b"not a database at all" * 500)
    restored = await folder.restore(view.file, force=True)
    assert restored.kept
    assert Path(restored.kept).read_bytes().startswith(b"not a database")
    assert folder.rows("PRAGMA integrity_check") == [("ok",)]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.backups.place import Folder


def restore(folder, steps):
    def tell(step):
        nonlocal steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(Folder(folder).restore(sys.argv[1], tell, force=True))


for step, folder in enumerate(map(Path, sys.argv[2:])):
    child = os.fork()
    if not child:
        restore(folder, step)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
MOST_STEPS = 8


async def test_killed_at_any_step_it_is_the_old_database_or_the_new_one(folder: Folder) -> None:
    view = await folder.back_up()
    folder.by_hand("INSERT INTO facts(name, value) VALUES ('later', 'yes')")
    copies = [Folder(folder.data.parent / f"data{step}") for step in range(MOST_STEPS)]
    for copy in copies:
        shutil.copytree(folder.data, copy.data)
    ends = killed_at_each_step(view.file, copies)
    found = []
    for copy in copies:
        assert copy.rows("PRAGMA integrity_check") == [("ok",)]
        found.append(copy.rows("SELECT count(*) FROM facts WHERE name = 'later'") == [(0,)])
    steps = ends.count(-signal.SIGKILL)
    assert ends == [-signal.SIGKILL] * steps + [0] * (MOST_STEPS - steps)
    assert 3 <= steps < MOST_STEPS, "some are killed, and some come to their end"
    assert found == [False] * (steps - 1) + [True] * (MOST_STEPS - steps + 1)
    await copies[0].restore(view.file, force=True)
    assert not [path for path in copies[0].data.iterdir() if "restoring" in path.name]


def killed_at_each_step(backup: str, copies: list[Folder]) -> list[int]:
    """Restore into each folder, killed one step later each time; return how each ended."""
    command = [sys.executable, "-c", KILLED, backup, *(str(copy.data) for copy in copies)]
    done = subprocess.run(
        command,
        env=environment(),
        cwd=Path(__file__).parents[2],
        timeout=60,
        check=True,
        capture_output=True,
        text=True,
    )
    return list(map(int, done.stdout.split()))
