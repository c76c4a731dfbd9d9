from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.torture.load import World
from tests.torture.torture import Torture, blows

KILLS, SEED = 25, 7
# A fire in the middle of a schedule's life.
FIRE = "(SELECT id FROM events WHERE window_at IS NOT NULL ORDER BY id LIMIT 1 OFFSET 700)"


@pytest.fixture(scope="session")
def tortured(tmp_path_factory: pytest.TempPathFactory) -> Torture:
    """Return what 25 kills under load have left; takes a minute or two."""
    torture = Torture(World(tmp_path_factory.mktemp("kill")), say=print)
    torture.endure(blows(KILLS, SEED))
    torture.rest()
    return torture


@pytest.fixture
def copy(tortured: Torture, tmp_path: Path) -> World:
    """Return the same world, of which something may be spoilt."""
    shutil.copytree(tortured.world.folder, tmp_path, dirs_exist_ok=True)
    return World(tmp_path)
