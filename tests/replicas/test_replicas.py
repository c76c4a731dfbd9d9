"""What may happen to a replica, its database and the way between them; the ledger holds."""

from __future__ import annotations

import pytest

from tests.replicas.fleet import Fleet, Way

pytestmark = pytest.mark.slow

RESTARTS = 4
RESTED = "SELECT clock_timestamp() > pg_postmaster_start_time() + interval '5 s'"
BURIED = "SELECT NOT EXISTS (SELECT 1 FROM servers WHERE instance = {})"
OWNER = "SELECT instance FROM servers ORDER BY started_at LIMIT 1"
MINUTES = 60  # seconds


@pytest.fixture
def fleet(empty: Fleet) -> Fleet:
    """Give two replicas at work."""
    empty.start(0, Way(manifest=empty.world.at_work))
    empty.put_in_by_hand()
    empty.start(1)
    return empty


@pytest.fixture
def apart(empty: Fleet) -> Fleet:
    """Give two replicas whose machines' clocks are twenty minutes apart, the database's between."""
    empty.start(0, Way(manifest=empty.world.at_work, ahead=-10 * MINUTES))
    empty.put_in_by_hand()
    empty.start(1, Way(ahead=10 * MINUTES))
    return empty


def test_a_replica_that_stood_still_longer_than_its_lease_does_no_harm(apart: Fleet) -> None:
    instance = apart.one(OWNER)
    apart.wait_for_effects(30)
    apart.hold_still(0)
    apart.wait_until(BURIED.format(instance))
    apart.go_on(0)
    apart.wait_until("SELECT count(*) = 2 FROM servers")
    apart.wait_for_effects(30)
    apart.rest()
    assert apart.findings(was_away=True) == {}


def test_a_database_that_restarts_every_five_seconds_loses_nothing(fleet: Fleet) -> None:
    for _ in range(RESTARTS):
        fleet.wait_for_effects(40)
        fleet.wait_until(RESTED)
        fleet.postgres.restart()
    fleet.wait_for_effects(40)
    fleet.rest()
    assert fleet.findings(was_away=True) == {}
