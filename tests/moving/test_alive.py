"""A server that is killed goes on as replicas, and those as a server again: nothing is lost."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.postgres import own_server
from tests.replicas.fleet import Fleet, Way
from tests.torture.load import World
from tests.torture.served import tinyforge
from tests.torture.torture import Torture

pytestmark = pytest.mark.slow

LAPSED = "SELECT NOT EXISTS (SELECT 1 FROM servers WHERE lease_until > clock_timestamp())"


def moved(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Move between `folder/data` and the other end that *words* say."""
    return tinyforge(folder, "migrate", *words)


def test_a_ledger_is_whole_after_kills_and_moves_there_and_back(tmp_path: Path) -> None:
    with own_server() as postgres, Fleet(postgres, World(tmp_path)).all_ended() as fleet:
        file = Torture(fleet.world, lambda _: None, presser=fleet.presser)
        file.endure([])
        said = moved(tmp_path, "--to", fleet.url)
        assert said.returncode == 0, said.stderr
        (tmp_path / "data").rename(tmp_path / "before")
        fleet.start(0, Way(manifest=fleet.world.at_work))
        fleet.start(1)
        fleet.wait_for_effects(60)
        fleet.kill(0)
        fleet.wait_for_effects(60)
        fleet.kill(1)
        said = moved(tmp_path, "--from", fleet.url)
        assert said.returncode == 1
        assert "fix: stop them, and begin again; one that was killed counts for 15 s" in said.stderr
        fleet.wait_until(LAPSED)
        said = moved(tmp_path, "--from", fleet.url)
        assert said.returncode == 0, said.stderr
        file.rest()
        assert file.findings(file.evidence()) == {}
