"""Turns: outcomes stored under the token of their attempt, the next runs taken with them."""

from __future__ import annotations

from tinyforge.clock import MINUTE, SECOND
from tinyforge.errors import Conflict, NotFound
from tinyforge.model import EventDraft, Queue, RunId, RunState
from tinyforge.store.port import EventFilter, RunFilter, Store
from tinyforge.testing.store.refused import refused
from tinyforge.testing.store.site import (
    NOW,
    Planned,
    failed,
    finish,
    fire,
    only_run,
    put_back,
    put_site,
    released,
    states_of,
    succeeded,
    take,
)


class TurnsContract:
    async def test_an_outcome_is_stored_with_its_attempt(self, store: Store) -> None:
        site = await put_site(store)
        event, _ = await fire(store, site)
        (taken,) = await take(store)
        await finish(store, failed(taken))
        run = await only_run(store, event)
        assert (run.state, run.error, run.attempt) == (RunState.FAILED, "exit code 1", 1)
        assert (run.started_at, run.ended_at) == (NOW, NOW + SECOND)
        (attempt,) = await store.attempts(run.id)
        assert (attempt.number, attempt.outcome, attempt.error) == (1, "failed", "exit code 1")
        assert attempt.owner == store.instance

    async def test_a_taken_run_is_under_lease(self, store: Store) -> None:
        event, _ = await fire(store, await put_site(store))
        (taken,) = await take(store)
        run = await only_run(store, event)
        assert (run.state, run.owner) == (RunState.RUNNING, store.instance)
        assert (run.attempt, taken.attempt, run.started_at) == (1, 1, NOW)

    async def test_a_retry_is_queued_again_from_its_moment_on(self, store: Store) -> None:
        event, _ = await fire(store, await put_site(store))
        (first,) = await take(store)
        await finish(store, put_back(first, NOW + MINUTE), free=5)
        assert await states_of(store, event) == [RunState.QUEUED]
        assert await take(store, now=NOW + MINUTE - 1) == []
        (second,) = await take(store, now=NOW + MINUTE)
        assert (second.run_id, second.attempt) == (first.run_id, 2)
        await finish(store, succeeded(second))
        assert [one.number for one in await store.attempts(first.run_id)] == [1, 2]

    async def test_a_soft_stop_gives_the_attempt_back(self, store: Store) -> None:
        event, _ = await fire(store, await put_site(store))
        (first,) = await take(store)
        await finish(store, released(first))
        assert await store.attempts(first.run_id) == []
        assert (await only_run(store, event)).attempt == 0
        (second,) = await take(store)
        assert (second.run_id, second.attempt) == (first.run_id, 1)

    async def test_a_token_is_good_for_one_outcome(self, store: Store) -> None:
        event, _ = await fire(store, await put_site(store))
        (taken,) = await take(store)
        await finish(store, succeeded(taken))
        turn = await finish(store, failed(taken))
        assert list(turn.stale) == [taken]
        assert await states_of(store, event) == [RunState.SUCCEEDED]
        assert len(await store.attempts(taken.run_id)) == 1

    async def test_an_old_token_changes_nothing_of_the_next_attempt(self, store: Store) -> None:
        event, _ = await fire(store, await put_site(store))
        (first,) = await take(store)
        await finish(store, put_back(first, NOW))
        (second,) = await take(store)
        turn = await finish(store, failed(first))
        assert list(turn.stale) == [first]
        assert await states_of(store, event) == [RunState.RUNNING]
        await finish(store, succeeded(second))
        assert await states_of(store, event) == [RunState.SUCCEEDED]

    async def test_beside_a_stale_outcome_the_others_are_stored(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=3))
        event, _ = await fire(store, site)
        one, two, three = await take(store)
        await finish(store, succeeded(two))
        turn = await finish(store, succeeded(one), failed(two), succeeded(three))
        assert list(turn.stale) == [two]
        done = await store.runs(RunFilter(event_id=event.id, state=RunState.SUCCEEDED))
        assert len(done) == 3

    async def test_follow_ups_are_stored_with_their_outcome(self, store: Store) -> None:
        site = await put_site(store)
        await fire(store, site)
        (taken,) = await take(store)
        draft = EventDraft(trigger_id=site.trigger.id, key="r1.failed", facts={"hops": 1})
        turn = await finish(store, failed(taken), follow_ups=[draft])
        (followed,) = turn.events
        assert (await store.event(followed.id)).facts == {"hops": 1}
        assert [event.id for event in await store.open_events(9, NOW + MINUTE)] == [followed.id]

    async def test_a_turn_without_work_stores_nothing(self, store: Store) -> None:
        await put_site(store)
        turn = await finish(store, free=9)
        assert (turn.taken, turn.stale, turn.events) == ((), [], ())

    async def test_a_queued_run_is_cancelled(self, store: Store) -> None:
        site = await put_site(store)
        event, _ = await fire(store, site)
        run = await only_run(store, event)
        draft = EventDraft(trigger_id=site.trigger.id, key="cancelled")
        (followed,) = await store.cancel_queued(run.id, [draft], NOW)
        assert await states_of(store, event) == [RunState.CANCELLED]
        assert await take(store) == []
        found = await store.events(EventFilter(trigger_id=site.trigger.id))
        assert [one.id for one in found] == [followed.id, event.id]

    async def test_a_run_that_began_is_not_cancelled_in_the_queue(self, store: Store) -> None:
        event, _ = await fire(store, await put_site(store))
        (taken,) = await take(store)
        await refused(store.cancel_queued(taken.run_id, (), NOW), Conflict)
        assert await states_of(store, event) == [RunState.RUNNING]
        await finish(store, succeeded(taken))
        assert await states_of(store, event) == [RunState.SUCCEEDED]

    async def test_a_cancelled_run_makes_room_in_its_queue(self, store: Store) -> None:
        site = await put_site(store, Planned(queue=Queue.SKIP))
        event, _ = await fire(store, site)
        await store.cancel_queued((await only_run(store, event)).id, (), NOW)
        assert (await fire(store, site))[1].runs == 1

    async def test_a_run_that_failed_is_queued_again(self, store: Store) -> None:
        event, _ = await fire(store, await put_site(store))
        (first,) = await take(store)
        await finish(store, failed(first))
        run = await store.requeue(first.run_id, NOW + MINUTE)
        assert (run.state, run.error, run.ended_at) == (RunState.QUEUED, None, None)
        (second,) = await take(store, now=NOW + MINUTE)
        assert (second.run_id, second.attempt) == (first.run_id, 2)
        await finish(store, succeeded(second))
        assert await states_of(store, event) == [RunState.SUCCEEDED]

    async def test_a_run_that_succeeded_is_not_queued_again(self, store: Store) -> None:
        event, _ = await fire(store, await put_site(store))
        (taken,) = await take(store)
        await finish(store, succeeded(taken))
        await refused(store.requeue(taken.run_id, NOW), Conflict)
        assert await states_of(store, event) == [RunState.SUCCEEDED]
        assert await take(store) == []

    async def test_a_run_is_not_queued_again_behind_a_newer_one(self, store: Store) -> None:
        site = await put_site(store)
        old, _ = await fire(store, site)
        (taken,) = await take(store)
        await finish(store, failed(taken))
        new, _ = await fire(store, site)
        await refused(store.requeue(taken.run_id, NOW), Conflict)
        assert await states_of(store, old, new) == [RunState.FAILED, RunState.QUEUED]
        assert [run.event_id for run in await take(store)] == [new.id]

    async def test_runs_are_found_by_what_they_belong_to(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=2, queue=Queue.EVERY))
        first, _ = await fire(store, site)
        second, _ = await fire(store, site)
        workload = site.workloads[0].id
        found = await store.runs(RunFilter(workload_id=workload))
        assert [run.event_id for run in found] == [second.id, first.id]
        older = await store.runs(RunFilter(workload_id=workload, before=found[0].id))
        assert [run.id for run in older] == [found[1].id]
        assert await store.runs(RunFilter(state=RunState.RUNNING)) == []

    async def test_a_run_that_is_not_there_is_not_found(self, store: Store) -> None:
        await refused(store.run(RunId(1)), NotFound)
        await refused(store.requeue(RunId(1), NOW), NotFound)
        await refused(store.cancel_queued(RunId(1), (), NOW), NotFound)
