"""Everything was off for a day; then all start at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.postgres import execute, own_server
from tests.replicas.fleet import Fleet, Way
from tests.torture.load import ANCHORED_AT, Fixed, Timed, World, busy, schedules
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, rfc3339

pytestmark = pytest.mark.slow

HOURLY, RATE, AT_ONCE, REPLICAS = 50, 5, 2, 3
OTHERS = 60
CATCHING_UP = HOURLY + OTHERS - 8  # the others skip what is late
# Every moment that is stored, as it would be had it all happened a day before; but the audit's, which
# nobody changes.
A_DAY_AGO = f"""
DO $$ DECLARE cell record; BEGIN
  PERFORM set_config('tinyforge.own', 'on', true);
  FOR cell IN SELECT table_name AS of, column_name AS name FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name <> 'audit' AND data_type = 'bigint'
    AND column_name ~ '(_at|_until|_from)$|^(at|since|base|opening)$'
  LOOP EXECUTE format('UPDATE %I SET %I = %I - {DAY}', cell.of, cell.name, cell.name); END LOOP;
  UPDATE marks SET value = value - {DAY} WHERE name = 'high_water';
  UPDATE servers SET lease_until = lease_until - interval '1 day';
END $$"""
CAUGHT_UP = f"""
SELECT t.name, count(e.id) FROM triggers t LEFT JOIN events e
ON e.trigger_id = t.id AND e.folded_from < e.accepted_at - {20 * HOUR}
WHERE t.kind = 'schedule' AND t.broken IS NULL AND (t.config::json ->> 'max_late') IS NULL
GROUP BY 1"""
# Runs of late events that wait for their turn, by the replica that decided: its number stands in
# bits 12 to 20 of the event's id.
WAITING = f"""
SELECT e.id >> 12 & 511, r.ready_at, r.id FROM runs r JOIN events e ON e.id = r.event_id
WHERE e.accepted_at - e.window_at > {30 * SECOND} AND e.folded_from IS NOT NULL
AND r.state = 2 ORDER BY 2"""
BEGUN = "SELECT run_id, started_at FROM attempts WHERE n = 1"
ATTEMPTS = """
SELECT owner, started_at, ended_at FROM attempts WHERE owner IN ({}) ORDER BY started_at"""
SERVING = "SELECT instance FROM servers WHERE lease_until > clock_timestamp()"
LEFT_EVENTS = "SELECT count(*) > 0 FROM events WHERE fanned_at IS NULL"
LEFT_RUNS = "SELECT count(*) > 0 FROM runs WHERE state = 3"
TRIED = "SELECT max(tries) FROM events"
BLUR = SECOND // 10  # by which a clock may be put right between two readings


def hourly(n: int) -> Timed:
    """Return one that is due every hour, and seldom just now."""
    origin = ANCHORED_AT + n * MINUTE
    config = {"interval": "1h", "anchor": rfc3339(origin)}
    return Timed(f"hourly-{n:02}", config, Fixed(origin, 3600), (busy(n),))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Give a fleet whose schedules are due every ten seconds, minutes or hours."""
    timed = [*map(hourly, range(HOURLY)), *schedules()[-OTHERS:]]
    with own_server() as postgres, Fleet(postgres, World(tmp_path, timed)).all_ended() as fleet:
        yield fleet


def test_after_a_day_each_schedule_catches_up_once_and_runs_are_paced(fleet: Fleet) -> None:
    _die_in_the_middle(fleet)
    asyncio.run(execute(fleet.url, A_DAY_AGO))
    words = ("--concurrency", str(AT_ONCE), "--catch-up-rate", str(RATE))
    fleet.start_together([Way(words=words)] * REPLICAS)
    instances = [instance for (instance,) in fleet.rows(SERVING)]
    fleet.wait_until(f"SELECT count(*) = {CATCHING_UP} FROM ({CAUGHT_UP}) c WHERE count = 1")
    waiting = fleet.rows(WAITING)
    fleet.wait_for_effects(30)
    fleet.rest()
    assert fleet.findings() == {}
    assert {count for _, count in fleet.rows(CAUGHT_UP)} == {1}
    assert fleet.one(TRIED) == 1
    assert len(waiting) > HOURLY // 10
    assert _shortest_gap(waiting) >= SECOND // RATE
    begun = dict(fleet.rows(BEGUN))
    assert all(begun.get(run, ready_at) >= ready_at for _, ready_at, run in waiting)
    assert _largest_crowd(fleet, instances) == AT_ONCE


def _die_in_the_middle(fleet: Fleet) -> None:
    """Let all replicas die, one of them between an event and its results, another one at work."""
    fleet.start(0, Way(manifest=fleet.world.at_work))
    fleet.put_in_by_hand()
    fleet.start(1)
    fleet.wait_for_effects(60)
    fleet.launch(2, Way(crash_at="accepted:5"))
    fleet.until_dead(2)
    fleet.wait_until(LEFT_RUNS)
    fleet.kill(0)
    fleet.kill(1)
    assert fleet.one(LEFT_EVENTS)
    assert fleet.one(LEFT_RUNS)


def _shortest_gap(waiting: Sequence[tuple[int, ...]]) -> int:
    """Return how soon one of two runs that the same replica decided was to follow the other."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for replica, ready_at, _ in waiting:
        found[replica].append(ready_at)
    return min(after - before for moments in found.values() for before, after in pairwise(moments))


def _largest_crowd(fleet: Fleet, instances: Sequence[int]) -> int:
    """Return how many attempts one of these replicas had at work at once, at most."""
    at_work: defaultdict[int, list[int]] = defaultdict(list)
    largest = 0
    for owner, started_at, ended_at in fleet.rows(ATTEMPTS.format(", ".join(map(str, instances)))):
        others = [end for end in at_work[owner] if end - BLUR > started_at]
        at_work[owner] = [*others, ended_at]
        largest = max(largest, len(at_work[owner]))
    return largest
