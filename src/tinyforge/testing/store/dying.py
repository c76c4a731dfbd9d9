"""Deaths: what a server that is gone had under its lease, and what it had not fanned out."""

from __future__ import annotations

from tinyforge.clock import MINUTE
from tinyforge.model import Event, EventDraft, Queue, RunState
from tinyforge.store.port import Finished, Store, TakenRun
from tinyforge.testing.store.site import (
    NOW,
    Bench,
    Planned,
    finish,
    fire,
    only_run,
    put_site,
    states_of,
    succeeded,
    take,
)


class DyingContract:
    async def test_runs_of_a_server_that_is_gone_are_dead(self, bench: Bench) -> None:
        event, taken = await _die_with_a_run(bench)
        async with bench.open() as store:
            (dead,) = await store.dead_runs()
            assert (dead.run_id, dead.event_id) == (taken.run_id, event.id)
            assert (dead.attempt, dead.deaths) == (1, 1)

    async def test_a_living_server_has_no_dead_runs(self, store: Store) -> None:
        await fire(store, await put_site(store))
        await take(store)
        assert await store.dead_runs() == []

    async def test_a_dead_run_is_run_again_with_its_next_attempt(self, bench: Bench) -> None:
        event, before = await _die_with_a_run(bench)
        async with bench.open() as store:
            await store.recover(await store.dead_runs(), (), (), NOW + MINUTE)
            (again,) = await take(store, now=NOW + MINUTE)
            assert (again.run_id, again.attempt) == (before.run_id, 2)
            await finish(store, succeeded(again))
            outcomes = [one.outcome for one in await store.attempts(before.run_id)]
            assert outcomes == ["died", "succeeded"]
            assert await states_of(store, event) == [RunState.SUCCEEDED]

    async def test_an_interrupted_run_frees_its_workload(self, bench: Bench) -> None:
        event, _ = await _die_with_a_run(bench, Planned(queue=Queue.EVERY), more=1)
        async with bench.open() as store:
            (dead,) = await store.dead_runs()
            await store.recover((), [dead], (), NOW + MINUTE)
            assert await states_of(store, event) == [RunState.INTERRUPTED]
            (following,) = await take(store, now=NOW + MINUTE)
            assert following.run_id != dead.run_id

    async def test_the_end_of_a_dead_run_has_follow_ups(self, bench: Bench) -> None:
        event, _ = await _die_with_a_run(bench)
        async with bench.open() as store:
            draft = EventDraft(trigger_id=event.trigger_id, key="r1.interrupted")
            (followed,) = await store.recover((), await store.dead_runs(), [draft], NOW)
            assert (await store.event(followed.id)).key == "r1.interrupted"

    async def test_deaths_are_counted_from_the_first_on(self, bench: Bench) -> None:
        await _die_with_a_run(bench)
        counted = []
        for _ in range(3):
            async with bench.open() as store:
                dead = await store.dead_runs()
                counted += [one.deaths for one in dead]
                await store.recover(dead, (), (), NOW)
                await take(store)
        assert counted == [1, 2, 3]

    async def test_runs_whose_next_death_is_their_last_are_tried_apart(self, bench: Bench) -> None:
        async with bench.open() as store:
            await fire(store, await put_site(store, Planned(workloads=2)))
            await take(store)
        async with bench.open() as store:
            await store.recover(await store.dead_runs(), (), (), NOW)
            assert len(await take(store)) == 2
        async with bench.open() as store:
            await store.recover(await store.dead_runs(), (), (), NOW)
            assert len(await take(store)) == 1
            assert len(await take(store, now=NOW + MINUTE)) == 1

    async def test_the_token_of_a_dead_server_is_stale(self, bench: Bench) -> None:
        event, taken = await _die_with_a_run(bench)
        async with bench.open() as store:
            await store.recover(await store.dead_runs(), (), (), NOW)
            (again,) = await take(store)
            turn = await finish(store, *_both(taken, again))
            assert list(turn.stale) == [taken]
            assert await states_of(store, event) == [RunState.SUCCEEDED]

    async def test_queues_are_as_they_were_after_a_restart(self, bench: Bench) -> None:
        async with bench.open() as store:
            site = await put_site(store, Planned(queue=Queue.EVERY))
            waiting = [(await fire(store, site, ready_at=NOW + n))[0] for n in (0, MINUTE, 0)]
        async with bench.open() as store:
            assert store.next_ready_at(NOW) is None
            (first,) = await take(store)
            turn = await finish(store, succeeded(first), free=9)
            assert [run.event_id for run in (first, *turn.taken)] == [
                waiting[0].id,
                waiting[2].id,
            ]

    async def test_each_start_has_an_instance_of_its_own(self, bench: Bench) -> None:
        instances = []
        for _ in range(3):
            async with bench.open() as store:
                instances.append(store.instance)
                await fire(store, await put_site(store, Planned(name=f"site{len(instances)}")))
        assert instances == sorted(set(instances))


def _both(one: TakenRun, other: TakenRun) -> tuple[Finished, Finished]:
    return succeeded(one), succeeded(other)


async def _die_with_a_run(
    bench: Bench, planned: Planned | None = None, more: int = 0
) -> tuple[Event, TakenRun]:
    """Leave a run under the lease of a server that is gone, and *more* queued behind it."""
    async with bench.open() as store:
        site = await put_site(store, planned)
        event, _ = await fire(store, site)
        (taken,) = await take(store)
        for _ in range(more):
            await fire(store, site)
        assert (await only_run(store, event)).state is RunState.RUNNING
        return event, taken
