"""A server killed 25 times under load loses nothing, does nothing twice, and comes to rest."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from tests.torture.calls import Call
from tests.torture.checker import CHECKS, violations
from tests.torture.conftest import FIRE, KILLS
from tests.torture.evidence import Evidence, gathered
from tests.torture.load import SCHEDULES, Presser, World
from tests.torture.torture import IN_A_RUN, Torture
from tinyforge.clock import DAY
from tinyforge.ids import show

pytestmark = pytest.mark.slow

RUN = "(SELECT id FROM runs WHERE state = 4 ORDER BY id LIMIT 1 OFFSET 50)"
SECOND_DECISION = """
INSERT INTO events(id, trigger_id, epoch, window_at, accepted_at, last_at, fanned_at)
SELECT (SELECT max(id) FROM events) + 1, trigger_id, epoch, window_at + 1, accepted_at, last_at,
  fanned_at FROM events WHERE id = {FIRE}"""
SECOND_TRY = """
INSERT INTO attempts SELECT run_id, 2, owner, started_at, ended_at, outcome, error
FROM attempts WHERE run_id = {RUN} AND n = 1"""
FOLDED_LESS = """
UPDATE events SET folded = folded - 1 WHERE id = (SELECT id FROM events WHERE folded > 0)"""
SPAN_CUT = """
UPDATE spans SET until_at = until_at - 1
WHERE (trigger_id, from_at) IN (SELECT trigger_id, from_at FROM spans LIMIT 1)"""
LAST_MOVED = """
UPDATE timing SET last_fired_at = last_fired_at + 1
WHERE trigger_id = (SELECT trigger_id FROM events WHERE id = {FIRE})"""
FOLLOW_UP_LOST = """
DELETE FROM events WHERE id = (SELECT id FROM events WHERE key LIKE 'r%' LIMIT 1)"""
IN_ONE_GO = "UPDATE events SET accepted_at = accepted_at + 3600000000 WHERE id = {FIRE}"
OLDER_WINS = """
UPDATE runs SET superseded_by = (SELECT min(id) FROM runs)
WHERE id = (SELECT max(id) FROM runs WHERE state = 7)"""
PLANTED = {
    "an event deleted": ("I1", "DELETE FROM events WHERE id = {FIRE}"),
    "a window decided twice": ("I1", SECOND_DECISION),
    "a window folded too little": ("I1", FOLDED_LESS),
    "a span cut": ("I1", SPAN_CUT),
    "results removed": ("I1", "DELETE FROM runs WHERE event_id = {FIRE}"),
    "no fan-out": ("I1", "UPDATE events SET fanned_at = NULL WHERE id = {FIRE}"),
    "last_fired_at moved": ("I1", LAST_MOVED),
    "an attempt forgotten": ("I2", "DELETE FROM attempts WHERE run_id = {RUN}"),
    "an attempt before its event": (
        "I2",
        "UPDATE attempts SET started_at = 0 WHERE run_id = {RUN}",
    ),
    "an attempt left out": ("I3", "UPDATE attempts SET n = n + 1 WHERE run_id = {RUN}"),
    "an end of its own": ("I3", "UPDATE runs SET state = 5 WHERE id = {RUN}"),
    "a run left over": ("I4", "UPDATE runs SET state = 2 WHERE id = {RUN}"),
    "a second try for nothing": ("I5", SECOND_TRY),
    "a follow-up lost": ("I8", FOLLOW_UP_LOST),
    "an innocent run that failed": (
        "I9",
        "UPDATE attempts SET outcome = 'failed' WHERE run_id = {RUN}",
    ),
    "a fire too early": ("I10", "UPDATE events SET accepted_at = window_at - 1 WHERE id = {FIRE}"),
    "two fires in one go": ("I11", IN_ONE_GO),
    "an innocent run given up": ("I13", "UPDATE runs SET state = 8 WHERE id = {RUN}"),
    "a broken row served": ("I14", "UPDATE triggers SET broken = NULL"),
    "an older run that wins": ("queue", OLDER_WINS),
}


def test_nothing_is_lost_and_nothing_done_twice(tortured: Torture) -> None:
    assert tortured.findings(tortured.evidence()) == {}


def test_the_kills_struck_where_they_hurt(tortured: Torture) -> None:
    toll = tortured.toll
    assert toll.kills.total() == KILLS
    assert toll.kills["accepted"] >= 10
    assert toll.half_done >= 10
    assert toll.kills["deployed"] + toll.kills[IN_A_RUN] >= 10
    assert toll.in_a_run >= 10
    assert len(toll.kills) >= 6


def test_there_was_something_to_lose(tortured: Torture) -> None:
    seen = tortured.evidence()
    assert len(seen.fires) >= SCHEDULES
    assert sum(row["folded"] or 0 for row in seen.tables["events"]) > 0
    assert len(seen.tables["spans"]) > 0
    assert len(seen.acks) > KILLS
    assert {row["outcome"] for row in seen.tables["attempts"]} == {
        *("succeeded", "failed", "died", "timed_out")
    }


def test_every_invariant_is_shown_to_find_something() -> None:
    by_hand = {"I5", "I6", "I7", "I12"}
    assert {invariant for invariant, _ in PLANTED.values()} | by_hand == set(CHECKS)


@pytest.mark.parametrize("fault", list(PLANTED))
def test_the_checker_finds_what_is_planted(copy: World, fault: str) -> None:
    invariant, statement = PLANTED[fault]
    with closing(sqlite3.connect(copy.database)) as file:
        changed = file.execute(statement.format(FIRE=FIRE, RUN=RUN)).rowcount
        file.commit()
    assert changed > 0
    assert invariant in violations(gathered(copy))


def test_the_checker_finds_an_effect_that_came_twice(copy: World) -> None:
    first, *_ = copy.effects.read_text().splitlines()
    with copy.effects.open("a") as file:
        file.write(f"{first}\n")
    assert "I5" in violations(gathered(copy))


def test_the_checker_finds_a_death_of_nobody(copy: World) -> None:
    seen = gathered(copy)
    assert "I5" in violations(replace(seen, deaths=0))
    assert violations(replace(seen, deaths=KILLS)) == {}


def test_the_checker_finds_what_came_before_its_time(copy: World) -> None:
    seen = gathered(copy)
    assert "I10" in violations(replace(seen, read_at=seen.read_at - DAY))


def test_the_checker_finds_an_effect_of_nobody(copy: World) -> None:
    with copy.effects.open("a") as file:
        file.write(f"start busy-00 {show('run', 12345)} 1\n")
    assert "I2" in violations(gathered(copy))


def test_the_checker_finds_a_promise_that_was_not_kept(copy: World) -> None:
    assert "I6" in violations(gathered(copy, Presser(acks=[show("evt", 12345)])))


@pytest.mark.parametrize(
    "call",
    [
        Call(500, "1", b"", 0.0),
        Call(503, None, b"", 0.0),
        Call(503, "1", b"", 30.0),
    ],
)
def test_the_checker_finds_a_refusal_that_does_not_help(copy: World, call: Call) -> None:
    assert "I7" in violations(gathered(copy, Presser(refused=[call])))


def test_the_checker_finds_an_overlap(copy: World) -> None:
    before = gathered(copy)
    lines = copy.effects.read_text().splitlines()
    end, start = _neighbours(before)
    lines[end], lines[start] = lines[start], lines[end]
    copy.effects.write_text("\n".join(lines) + "\n")
    assert "I12" in violations(gathered(copy))


def _neighbours(seen: Evidence) -> tuple[int, int]:
    """Return where a run ended and the next of its workload began."""
    ended: dict[str, int] = {}
    for place, effect in enumerate(seen.effects):
        if effect.what == "end":
            ended[effect.workload] = place
        elif effect.workload in ended:
            return ended[effect.workload], place
    raise AssertionError("no workload ran twice")
