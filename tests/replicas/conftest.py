from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import own_server
from tests.replicas.fleet import Fleet
from tests.torture.load import World


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Fleet]:
    """Give a fleet without replicas, on a PostgreSQL of its own without tables."""
    with own_server() as postgres, Fleet(postgres, World(tmp_path)).all_ended() as fleet:
        yield fleet
