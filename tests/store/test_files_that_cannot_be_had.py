"""What a start says of a file or a folder that it cannot have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.disks import fill, may_mount, small_disk
from tinyforge.errors import StoreUnavailable
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.testing.clock import MovableClock


async def refusal(folder: Path) -> str:
    with pytest.raises(StoreUnavailable) as refused:
        async with SqliteStore.open(folder, MovableClock()):
            pass
    return refused.value.problem


async def test_a_file_that_is_no_database_is_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_text("junk")
    assert await refusal(tmp_path) == (
        f"{tmp_path / DATABASE}: file is not a database;"
        " give another --data, or put a copy back in its place"
    )


async def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (there := tmp_path / "data").write_text("")
    assert await refusal(there) == f"{there}: is no folder; give another --data"


@pytest.mark.skipif(not may_mount(), reason="only root can mount a small disk")
async def test_a_disk_without_room_for_a_new_file_asks_for_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        (folder := disk / "data").mkdir()
        (folder / "tinyforge.lock").touch()
        fill(disk)
        assert (await refusal(folder)).endswith("is full; make room on its disk")
