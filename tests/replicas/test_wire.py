"""Answers that are lost after the commit was done, and statements that take five seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from tests.replicas.fleet import Fleet, Way
from tests.replicas.wire import Wire, wire_to
from tests.torture.calls import Caller
from tests.torture.load import HANGING
from tests.torture.served import tinyforge, wait_until
from tinyforge.ids import show

pytestmark = pytest.mark.slow

TO_CANCEL = f"""
SELECT r.id FROM runs r JOIN workloads w ON w.id = r.workload_id
WHERE w.name = '{HANGING}' AND r.state IN (2, 3)"""
CANCELS = ("cancel what waits", "cancel what another deploys")
BY_THEMSELVES = ("claim", "accept", "fan-out", "take", "finish")
TIMES = 3
SLOW, OFTEN = 5.0, 2  # seconds, times
FIRE = "/api/v1/triggers/button-1/fire"
OVER, GONE = 409, 503


@dataclass(frozen=True)
class Wired:
    fleet: Fleet
    wire: Wire

    def until_cut(self, write: str, times: int) -> None:
        wait_until(lambda: self.wire.cut[write] >= times, f"{write}: the answer is lost")


@pytest.fixture
def wired(empty: Fleet) -> Iterator[Wired]:
    """Give two replicas at work, whose database is at the other end of a wire."""
    with wire_to(empty.url) as wire, empty.all_ended():
        empty.start(0, Way(manifest=empty.world.at_work, url=wire.url))
        empty.put_in_by_hand()
        empty.start(1, Way(url=wire.url))
        yield Wired(empty, wire)


def test_a_commit_whose_answer_is_lost_is_done_once(wired: Wired) -> None:
    fleet, wire = wired.fleet, wired.wire
    for write in BY_THEMSELVES:
        wire.lose_answers(write, TIMES)
    for write in BY_THEMSELVES:
        wired.until_cut(write, TIMES)
    _apply(wired)
    _cancel(wired)
    fleet.wait_for_effects(30)
    fleet.rest()
    assert fleet.findings(was_away=True) == {}


def test_statements_that_take_five_seconds_hold_up_and_break_nothing(wired: Wired) -> None:
    fleet, wire = wired.fleet, wired.wire
    commits = (f"commit of {write}" for write in ("claim", "take", "finish"))
    slowed = (*BY_THEMSELVES, *commits, "heartbeat")
    for write in slowed:
        wire.slow(write, OFTEN, SLOW)
    wait_until(lambda: all(wire.slowed[write] >= OFTEN for write in slowed), "each was slow")
    fleet.wait_for_effects(30)
    fleet.rest()
    assert fleet.findings(was_away=True) == {}


def test_without_a_database_callers_are_told_so_within_a_second(empty: Fleet) -> None:
    with wire_to(empty.url) as wire, empty.all_ended():
        way = Way(manifest=empty.world.at_rest, url=wire.url, pressed=False)
        caller = Caller(empty.start(0, way).data)
        assert caller.post(FIRE).is_done
        wire.sever()
        refused = [caller.post(FIRE) for _ in range(5)]
    assert {(call.status, call.retry_after) for call in refused} == {(GONE, "1")}
    assert min(call.took for call in refused) < 1


def _apply(wired: Wired) -> None:
    """Apply a change whose answer is lost: said so, and there is nothing left to do."""
    fleet, wire = wired.fleet, wired.wire
    changed = _changed(fleet.world.at_work)
    wire.lose_answers("apply", 1)
    said = tinyforge(fleet.lives(0).folder, "apply", str(changed))
    wired.until_cut("apply", 1)
    assert said.returncode == 1, said.stdout
    again = tinyforge(fleet.lives(1).folder, "apply", str(changed))
    assert (again.returncode, "nothing" in again.stdout) == (0, True), again


def _changed(manifest: Path) -> Path:
    written = json.loads(manifest.read_text())
    written["workloads"]["patient-00"]["timeout"] = "20m"
    changed = manifest.with_name("changed.yaml")
    changed.write_text(json.dumps(written))
    return changed


def _cancel(wired: Wired) -> None:
    """Cancel runs of the workload that hangs, now here and now there, until both ways were cut."""
    fleet, wire = wired.fleet, wired.wire
    callers = [Caller(fleet.lives(number).data) for number in (0, 1)]
    for write in CANCELS:
        wire.lose_answers(write, 1)

    def are_cut() -> bool:
        callers[0].post(FIRE)
        for (run,), caller in product(fleet.rows(TO_CANCEL), callers):
            said = caller.post(f"/api/v1/runs/{show('run', run)}/cancel")
            assert said.status in {200, OVER, GONE}, said
        return all(wire.cut[write] for write in CANCELS)

    wait_until(are_cut, "answers to cancels are lost")
