from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import own_server
from tests.replicas.fleet import Fleet
from tests.torture.load import World

pytestmark = pytest.mark.slow

KILLS, RESTARTS = 25, 4
BURIED = "SELECT NOT EXISTS (SELECT 1 FROM servers WHERE instance = {})"
OWNER = "SELECT instance FROM servers ORDER BY started_at LIMIT 1"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Give two replicas at work, on a PostgreSQL of their own."""
    with own_server() as postgres, Fleet(postgres, World(tmp_path)).all_ended() as fleet:
        fleet.start(0, fleet.world.at_work)
        fleet.put_in_by_hand()
        fleet.start(1)
        yield fleet


def test_replicas_that_are_killed_lose_nothing_and_double_nothing(fleet: Fleet) -> None:
    fleet.start(2)
    chance = random.Random(7)  # noqa: S311 - it must be the same each time
    for _ in range(KILLS):
        fleet.wait_for_effects(chance.randint(1, 60))
        number = chance.randrange(3)
        fleet.kill(number)
        fleet.start(number)
    fleet.rest()
    assert fleet.findings() == {}


def test_a_replica_that_stood_still_longer_than_its_lease_does_no_harm(fleet: Fleet) -> None:
    instance = fleet.one(OWNER)
    fleet.wait_for_effects(30)
    served = fleet.lives(0)
    served.tell(signal.SIGSTOP)
    fleet.wait_until(BURIED.format(instance))
    served.tell(signal.SIGCONT)
    fleet.wait_until("SELECT count(*) = 2 FROM servers")
    fleet.wait_for_effects(30)
    fleet.rest()
    assert fleet.findings(was_away=True) == {}


def test_a_database_that_restarts_again_and_again_loses_nothing(fleet: Fleet) -> None:
    for _ in range(RESTARTS):
        fleet.wait_for_effects(40)
        fleet.postgres.restart()
    fleet.wait_for_effects(40)
    fleet.rest()
    assert fleet.findings(was_away=True) == {}
