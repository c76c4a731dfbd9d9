"""Kinds of somebody else that raise, block the loop or end the process: the rest goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.engine.house import PATIENCE, House, open_house
from tests.engine.kinds import ENDED_BY_DEPLOY, ENDED_BY_MATCH
from tinyforge.clock import SystemClock
from tinyforge.engine.watch import EXIT_CODE
from tinyforge.model import EventDraft, EventId, Outcome, RunState, TriggerId
from tinyforge.observe.events import EventQuarantined, KindFailed, RunsRecovered
from tinyforge.testing.clock import MovableClock

ROOT = Path(__file__).parents[2]


class Served(NamedTuple):
    """What a server of its own process said, and how it ended."""

    said: str
    code: int


def serve(folder: Path, until: str = "nothing that is ever said") -> Served:
    """Serve until it says *until*, or ends by itself."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.serve", folder],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    deadline = threading.Timer(PATIENCE, server.kill)
    deadline.start()
    said: list[str] = []
    assert server.stdout is not None
    try:
        for line in server.stdout:
            said.append(line)
            if until in line:
                server.terminate()
    finally:
        deadline.cancel()
        server.kill()
        server.wait()
        server.stdout.close()
    return Served("".join(said), server.returncode)


async def leave_events(folder: Path, *triggers: str) -> list[EventId]:
    """Accept an event of each, and die before any is fanned out."""
    async with open_house(folder, MovableClock(SystemClock().now())) as house:
        rows = {trigger.name: trigger.id for trigger in (await house.store.catalog()).triggers}
        drafts = [EventDraft(trigger_id=rows[name]) for name in triggers]
        events = await house.store.accept(drafts, house.clock.now())
        return [event.id for event in events if event is not None]


async def put_in(folder: Path, *hows: str) -> dict[str, int]:
    """Put in a touchy trigger for each of *hows*, with a sibling that only matches."""
    async with open_house(folder, MovableClock(SystemClock().now())) as house:
        numbers = {}
        for how in hows:
            numbers[how] = house.trigger(how, "touchy")
            house.bind(numbers[how], house.workload(f"{how}-work"), {"how": how})
        assert await house.sweep()
    return numbers


@pytest.mark.parametrize("how", ["raise", "leave"])
@pytest.mark.parametrize("kind", ["bad", "plain-bad"])
async def test_a_deploy_that_raises_is_that_runs_failure(house: House, kind: str, how: str) -> None:
    button = house.trigger("button", "manual")
    house.bind(button, house.workload("bad", kind, how=how))
    house.bind(button, house.workload("good"))
    assert await house.sweep()
    await house.fire(button)
    await house.settle()
    bad, good = await house.runs()
    assert (bad.state, good.state) == (RunState.FAILED, RunState.SUCCEEDED)
    assert (bad.error or "").startswith(f"bug in {kind}: ")


async def test_a_match_that_leaves_is_that_bindings_failure(house: House) -> None:
    touchy = house.trigger("touchy", "touchy")
    for how in ("leave", "yes"):
        house.bind(touchy, house.workload(how), {"how": how})
    assert await house.sweep()
    outcomes = [one.outcome for one in await house.results(await house.fire(touchy))]
    assert outcomes == [Outcome.MATCH_FAILED, Outcome.MATCHED]


async def test_a_kind_that_raises_about_the_end_of_a_run_holds_up_no_outcome(house: House) -> None:
    house.trigger("confused", "confused")
    button = house.site("often")
    assert await house.sweep()
    await house.settle()
    (said,) = house.happened.of(KindFailed)
    assert (said.kind, said.doing) == ("confused", "follows")
    assert "a bug in somebody's kind" in said.problem
    assert [run.state for run in await house.runs()] == [RunState.SUCCEEDED]
    assert len(await house.events(button)) == 1


async def test_a_kind_that_raises_when_it_should_reap_holds_up_no_start(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        button = house.trigger("button", "manual")
        house.bind(button, house.workload("site", "held", gate="never"))
        assert await house.sweep()
        await house.fire(button)
        await house.engine.runner.turn()
    async with open_house(tmp_path, house.clock) as house:
        said = house.happened.of(KindFailed)
        assert [(one.kind, one.doing) for one in said] == [("plain-bad", "reap")]
        assert [run.state for run in await house.runs()] == [RunState.INTERRUPTED]


@pytest.mark.slow
async def test_a_match_that_blocks_the_loop_is_named_and_the_process_ends(tmp_path: Path) -> None:
    await put_in(tmp_path, "block", "yes")
    await leave_events(tmp_path, "block", "yes")
    served = serve(tmp_path)
    assert served.code == EXIT_CODE
    assert "BlockedLoop" in served.said
    assert "the match of touchy block" in served.said
    assert "in match" in served.said  # the stack


@pytest.mark.slow
async def test_a_deploy_that_blocks_the_loop_is_named_and_the_process_ends(tmp_path: Path) -> None:
    async with open_house(tmp_path, MovableClock(SystemClock().now())) as house:
        button = house.trigger("button", "manual")
        house.bind(button, house.workload("stuck", "bad", how="block"))
        assert await house.sweep()
        await house.fire(button)
    served = serve(tmp_path)
    assert served.code == EXIT_CODE
    assert "doing='stuck'" in served.said
    async with open_house(tmp_path, MovableClock(SystemClock().now())) as house:
        assert [run.state for run in await house.runs()] == [RunState.INTERRUPTED]


@pytest.mark.slow
async def test_an_event_whose_match_ends_the_process_is_given_up_after_three_deaths(
    tmp_path: Path,
) -> None:
    await put_in(tmp_path, "end", "yes")
    first, poison, last = await leave_events(tmp_path, "yes", "end", "yes")
    for deaths in (1, 2, 3):
        assert serve(tmp_path).code == ENDED_BY_MATCH
        async with open_house(tmp_path, MovableClock(SystemClock().now())) as house:
            assert (await house.store.event(poison)).tries == deaths
            assert (await house.store.event(first)).fanned_at is not None
            assert (await house.store.event(last)).tries == 0
    served = serve(tmp_path, until="EventQuarantined")
    assert served.code == 0
    async with open_house(tmp_path, MovableClock(SystemClock().now())) as house:
        await house.engine.recovery.deliver_alone()
        await house.settle()
        outcomes = [
            [result.outcome for result in await house.results(await house.store.event(event))]
            for event in (first, poison, last)
        ]
        assert outcomes == [[Outcome.MATCHED], [Outcome.QUARANTINED], [Outcome.MATCHED]]
        assert {run.state for run in await house.runs()} == {RunState.SUCCEEDED}
        assert await house.faults() == []


async def test_an_event_is_given_up_aloud_and_its_neighbours_are_served(tmp_path: Path) -> None:
    numbers = await put_in(tmp_path, "end", "yes")
    poison, good = await leave_events(tmp_path, "end", "yes")
    async with open_house(tmp_path, MovableClock(SystemClock().now())) as house:
        for _ in range(3):
            await house.store.try_alone(poison, counted=True)
        await house.engine.recovery.deliver_alone()
        (said,) = house.happened.of(EventQuarantined)
        assert (said.event_id, said.trigger, said.tries) == (poison, "end", 3)
        (result,) = await house.results(await house.store.event(poison))
        assert result.outcome is Outcome.QUARANTINED
        (served,) = await house.results(await house.store.event(good))
        assert served.outcome is Outcome.MATCHED
        assert len(await house.events(TriggerId(numbers["yes"]))) == 1


@pytest.mark.slow
async def test_a_run_with_which_three_servers_died_is_interrupted(tmp_path: Path) -> None:
    async with open_house(tmp_path, MovableClock(SystemClock().now())) as house:
        button = house.trigger("button", "manual")
        house.bind(button, house.workload("good"))
        poison = house.workload("poison", "bad", how="end")
        house.by_hand(f"UPDATE workloads SET idempotent = 1 WHERE id = {poison}")
        house.bind(button, poison)
        assert await house.sweep()
        await house.fire(button)
    for _ in range(2):  # the first died with the house above
        assert serve(tmp_path).code == ENDED_BY_DEPLOY
    async with open_house(tmp_path, MovableClock(SystemClock().now())) as house:
        (said,) = house.happened.of(RunsRecovered)
        bad = next(run for run in await house.runs() if run.workload_id == poison)
        assert list(said.interrupted) == [bad.id]
        assert bad.state is RunState.INTERRUPTED
        assert [one.outcome for one in await house.store.attempts(bad.id)] == ["died"] * 3
        await house.settle()
        good = next(run for run in await house.runs() if run.workload_id != poison)
        assert good.state is RunState.SUCCEEDED
