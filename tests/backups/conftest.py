"""What the tests of backups share: a data folder with something of everything, made once."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.backups.place import Folder, seal_something
from tests.moving.history import leave_history


@pytest.fixture(scope="session")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("left")
    asyncio.run(leave_history(folder))
    asyncio.run(seal_something(folder))
    return folder


@pytest.fixture
def folder(left: Path, tmp_path: Path) -> Folder:
    """Give a copy of it, where no server runs."""
    data = tmp_path / "data"
    shutil.copytree(left, data)
    return Folder(data)
