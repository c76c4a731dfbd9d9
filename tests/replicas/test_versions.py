"""Two versions of the program, one step of the schema apart, serve together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import own_server
from tests.replicas.fleet import Fleet, Way
from tests.replicas.versions import newer_program, schema_here
from tests.torture.load import World

pytestmark = pytest.mark.slow

SCHEMA = "SELECT value::int FROM facts WHERE name = 'schema'"
NEWEST = "SELECT instance FROM servers ORDER BY schema DESC, instance DESC LIMIT 1"
FIRED = """
SELECT count(DISTINCT e.id >> 12 & 511) = 3 FROM events e
WHERE e.window_at IS NOT NULL AND e.id > {}"""
WINDOWS = "SELECT count(*) FROM events WHERE window_at IS NOT NULL"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Give two replicas of this version at work, on a PostgreSQL of their own."""
    with own_server() as postgres, Fleet(postgres, World(tmp_path)).all_ended() as fleet:
        fleet.start(0, Way(manifest=fleet.world.at_work))
        fleet.put_in_by_hand()
        fleet.start(1)
        yield fleet


def test_old_replicas_go_on_beside_a_new_one_and_start_again_beside_it(
    fleet: Fleet, tmp_path: Path
) -> None:
    new = Way(source=newer_program(tmp_path / "new"))
    fleet.wait_for_effects(30)
    fleet.start(2, new)
    assert fleet.one(SCHEMA) == schema_here() + 1
    fleet.wait_until(FIRED.format(fleet.one(NEWEST)))
    fleet.kill(0)
    fleet.start(0)
    fleet.wait_until(FIRED.format(fleet.one("SELECT max(instance) FROM servers")))
    fleet.kill(2)
    fleet.wait_for_effects(30)
    fleet.start(2, new)
    fleet.wait_for_effects(30)
    windows = fleet.one(WINDOWS)
    assert isinstance(windows, int)
    assert windows > 100
    fleet.rest()
    assert fleet.findings() == {}


def test_a_version_two_steps_ahead_waits_for_the_one_between(fleet: Fleet, tmp_path: Path) -> None:
    folder = fleet.world.folder / "replica-2"
    folder.mkdir()
    skipped = fleet.launch(2, Way(source=newer_program(tmp_path / "new", steps=2), pressed=False))
    assert skipped.ended() == 1
    assert fleet.one(SCHEMA) == schema_here() + 1
    said = skipped.last_words()
    assert f"schema {schema_here() + 2} is too new for 2 replicas that serve" in said
    assert "fix: upgrade them to the version between, or stop them, then start this one" in said
    fleet.end(0)
    fleet.end(1)
    fleet.start(3, Way(source=tmp_path / "new" / "src", pressed=False))
    assert fleet.one(SCHEMA) == schema_here() + 2
    outdated = fleet.launch(4, Way(pressed=False))
    assert outdated.ended() == 1
    assert "install the newer program" in outdated.last_words()
