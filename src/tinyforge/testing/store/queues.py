"""Queues: what becomes of a run that is asked for while others wait or run."""

from __future__ import annotations

from msgspec.structs import replace

from tinyforge.clock import MINUTE
from tinyforge.model import MOST_QUEUED, Event, Outcome, Queue, RunState
from tinyforge.store.port import FanOutDone, Matched, Store
from tinyforge.testing.store.site import (
    NOW,
    Planned,
    Site,
    accept,
    fan_out,
    finish,
    fire,
    only_run,
    put_back,
    put_site,
    refusing,
    states_of,
    succeeded,
    take,
)

EVERY = Planned(queue=Queue.EVERY)
SKIP = Planned(queue=Queue.SKIP)


class QueuesContract:
    async def test_latest_lets_the_newer_event_supersede_the_older(self, store: Store) -> None:
        site = await put_site(store)
        old, _ = await fire(store, site)
        new, _ = await fire(store, site)
        assert await states_of(store, old, new) == [RunState.SUPERSEDED, RunState.QUEUED]
        newer = await only_run(store, new)
        older = await only_run(store, old)
        assert (older.superseded_by, older.ended_at) == (newer.id, NOW)

    async def test_latest_goes_by_acceptance_and_not_by_arrival(self, store: Store) -> None:
        site = await put_site(store)
        old, new = await accept(store, site), await accept(store, site)
        await fan_out(store, site, new)
        done = await fan_out(store, site, old)
        assert done.runs == 1
        assert await states_of(store, old, new) == [RunState.SUPERSEDED, RunState.QUEUED]
        assert [run.event_id for run in await take(store)] == [new.id]

    async def test_latest_in_one_batch_keeps_the_newest(self, store: Store) -> None:
        site = await put_site(store)
        events = [await accept(store, site) for _ in range(4)]
        await fan_out(store, site, *events)
        states = await states_of(store, *events)
        assert states == [RunState.SUPERSEDED] * 3 + [RunState.QUEUED]

    async def test_latest_never_supersedes_what_runs(self, store: Store) -> None:
        site = await put_site(store)
        running, _ = await fire(store, site)
        await take(store)
        waiting, _ = await fire(store, site)
        assert await states_of(store, running, waiting) == [RunState.RUNNING, RunState.QUEUED]

    async def test_every_keeps_all_in_the_order_of_acceptance(self, store: Store) -> None:
        site = await put_site(store, EVERY)
        events = [await accept(store, site) for _ in range(4)]
        for event in (events[2], events[0], events[3], events[1]):
            await fan_out(store, site, event)
        taken = []
        while found := await take(store):
            taken += found
            await finish(store, *map(succeeded, found))
        assert [run.event_id for run in taken] == [event.id for event in events]

    async def test_every_keeps_a_thousand_and_refuses_the_next(self, store: Store) -> None:
        site = await put_site(store, EVERY)
        events = [await accept(store, site) for _ in range(MOST_QUEUED)]
        assert (await fan_out(store, site, *events)).runs == MOST_QUEUED
        event, done = await fire(store, site)
        assert done.runs == 0
        assert [line.outcome for line in done.refused] == [Outcome.SKIPPED_FULL]
        (result,) = (await store.results([event.id]))[event.id]
        assert "1,000" in result.reason
        await take(store)
        assert (await fire(store, site))[1].runs == 1

    async def test_skip_refuses_while_one_is_queued_or_running(self, store: Store) -> None:
        site = await put_site(store, SKIP)
        first, _ = await fire(store, site)
        assert await _outcome(store, await fire(store, site)) is Outcome.SKIPPED_BUSY
        (run,) = await take(store)
        assert await _outcome(store, await fire(store, site)) is Outcome.SKIPPED_BUSY
        await finish(store, succeeded(run))
        assert await _outcome(store, await fire(store, site)) is Outcome.MATCHED
        assert await states_of(store, first) == [RunState.SUCCEEDED]

    async def test_each_binding_of_one_workload_is_a_run_of_its_own(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=2))
        await fire(store, site)
        assert len({run.workload_id for run in await take(store)}) == 2

    async def test_one_run_of_a_workload_is_running(self, store: Store) -> None:
        site = await put_site(store, EVERY)
        for _ in range(3):
            await fire(store, site)
        (run,) = await take(store)
        assert await take(store) == []
        turn = await finish(store, succeeded(run), free=5)
        assert len(turn.taken) == 1

    async def test_no_more_are_taken_than_there_are_places(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=5))
        await fire(store, site)
        assert [len(await take(store, free=count)) for count in (2, 0, 9)] == [2, 0, 3]

    async def test_what_may_be_repeated_is_leased_ahead(self, store: Store) -> None:
        repeatable = await put_site(store, Planned(name="repeatable", workloads=2))
        await _queue_repeatable(store, repeatable)
        taken = await take(store, free=0, ahead=9)
        assert {run.workload_id for run in taken} == {one.id for one in repeatable.workloads}
        assert all(run.repeatable for run in taken)

    async def test_nothing_is_leased_ahead_of_a_run_that_may_not_be(self, store: Store) -> None:
        careful = await put_site(store, Planned(name="careful"))
        repeatable = await put_site(store, Planned(name="repeatable"))
        await fire(store, careful)
        await _queue_repeatable(store, repeatable)
        assert await take(store, free=0, ahead=9) == []
        taken = await take(store, free=1, ahead=9)
        assert [run.repeatable for run in taken] == [False, True]

    async def test_a_run_may_be_born_running(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=3))
        event, done = await fire(store, site, may_begin=2)
        assert [run.attempt for run in done.taken] == [1, 1]
        runs = [await store.run(run.run_id) for run in done.taken]
        assert {(run.state, run.owner, run.attempt) for run in runs} == {
            (RunState.RUNNING, store.instance, 1)
        }
        (last,) = await take(store)
        assert last.event_id == event.id
        assert last.run_id not in {run.run_id for run in done.taken}

    async def test_none_is_born_running_where_one_runs(self, store: Store) -> None:
        site = await put_site(store)
        _, first = await fire(store, site, may_begin=1)
        event, second = await fire(store, site, may_begin=1)
        assert (len(first.taken), len(second.taken)) == (1, 0)
        assert await states_of(store, event) == [RunState.QUEUED]

    async def test_none_is_born_running_before_its_moment(self, store: Store) -> None:
        site = await put_site(store)
        _, done = await fire(store, site, may_begin=1, ready_at=NOW + MINUTE)
        assert done.taken == []

    async def test_a_run_that_waits_for_its_moment_is_not_taken(self, store: Store) -> None:
        site = await put_site(store)
        await fire(store, site, ready_at=NOW + MINUTE)
        assert await take(store, now=NOW + MINUTE - 1) == []
        assert store.next_ready_at(NOW) == NOW + MINUTE
        assert not store.has_ready(NOW)
        assert store.has_ready(NOW + MINUTE)
        assert len(await take(store, now=NOW + MINUTE)) == 1

    async def test_a_retry_that_waits_is_superseded_by_a_newer_run(self, store: Store) -> None:
        site = await put_site(store)
        old, _ = await fire(store, site)
        (run,) = await take(store)
        await finish(store, put_back(run, NOW + MINUTE))
        new, _ = await fire(store, site)
        assert await states_of(store, old, new) == [RunState.SUPERSEDED, RunState.QUEUED]

    async def test_a_retry_behind_a_newer_run_is_superseded_at_once(self, store: Store) -> None:
        site = await put_site(store)
        old, _ = await fire(store, site)
        (run,) = await take(store)
        new, _ = await fire(store, site)
        await finish(store, put_back(run, NOW))
        assert await states_of(store, old, new) == [RunState.SUPERSEDED, RunState.QUEUED]
        assert len(await store.attempts(run.run_id)) == 1


async def _outcome(store: Store, fired: tuple[Event, FanOutDone]) -> Outcome:
    event, _ = fired
    (result,) = (await store.results([event.id]))[event.id]
    return result.outcome


async def _queue_repeatable(store: Store, site: Site) -> None:
    event = await accept(store, site)
    matched = [
        Matched(event.id, one.id, one.workload_id, Queue.LATEST, repeatable=True, ready_at=NOW)
        for one in site.bindings
    ]
    refused_by_none = replace(await refusing(store, site, event), matched=matched, unmatched=())
    await store.fan_out(refused_by_none, NOW)
