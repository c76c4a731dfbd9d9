"""What the tests of moves share."""

from __future__ import annotations

from pathlib import Path

import pytest_asyncio

from tests.moving.history import leave_history


@pytest_asyncio.fixture
async def file(tmp_path: Path) -> Path:
    (folder := tmp_path / "data").mkdir()
    await leave_history(folder)
    return folder
