"""Sharing: what is asked for at once may share a commit, never a fate."""

from __future__ import annotations

import asyncio

from tinyforge.errors import Conflict
from tinyforge.model import Event, EventDraft, Queue, RunId, RunState
from tinyforge.store.port import RunFilter, Store
from tinyforge.testing.store.site import (
    NOW,
    Planned,
    Site,
    accept,
    fan_out,
    finish,
    fire,
    put_site,
    states_of,
    succeeded,
    take,
)

MANY = 40


class SharingContract:
    async def test_a_failing_operation_undoes_nothing_of_its_neighbours(self, store: Store) -> None:
        site = await put_site(store, Planned(queue=Queue.EVERY))
        done = await _succeeded_run(store, site)
        draft = EventDraft(trigger_id=site.trigger.id)
        outcomes = await asyncio.gather(
            store.accept([draft], NOW),
            store.requeue(done, NOW),
            store.accept([draft], NOW),
            store.cancel_queued(done, [draft], NOW),
            store.set_fact("colour", "blue"),
            return_exceptions=True,
        )
        assert [isinstance(one, Conflict) for one in outcomes] == [False, True, False, True, False]
        assert len(await store.open_events(99, NOW + 1)) == 2
        assert await store.fact("colour") == "blue"

    async def test_failures_among_the_queues_leave_the_queues_right(self, store: Store) -> None:
        sites = [await put_site(store, Planned(name=f"s{n}")) for n in range(MANY)]
        done = await _succeeded_run(store, await put_site(store, Planned(name="done")))
        events = [await accept(store, site) for site in sites]
        stale = await store.generation() - 1
        outcomes = await asyncio.gather(
            *(fan_out(store, site, event) for site, event in zip(sites, events, strict=True)),
            *(store.requeue(done, NOW) for _ in range(MANY)),
            return_exceptions=True,
        )
        assert stale < await store.generation()
        assert [type(one) for one in outcomes[MANY:]] == [Conflict] * MANY
        assert not [one for one in outcomes[:MANY] if isinstance(one, BaseException)]
        assert await states_of(store, *events) == [RunState.QUEUED] * MANY
        assert len(await take(store)) == MANY

    async def test_many_at_once_are_accepted_in_one_order(self, store: Store) -> None:
        site = await put_site(store)
        drafts = [EventDraft(trigger_id=site.trigger.id, key=str(n // 2)) for n in range(MANY)]
        accepted = await asyncio.gather(*(store.accept([draft], NOW) for draft in drafts))
        kept: list[Event] = [event for (event,) in accepted if event is not None]
        assert sorted(event.key or "" for event in kept) == sorted(str(n) for n in range(MANY // 2))

    async def test_many_at_once_leave_one_run_of_a_workload(self, store: Store) -> None:
        site = await put_site(store)
        events = [await accept(store, site) for _ in range(MANY)]
        await asyncio.gather(*(fan_out(store, site, event) for event in events))
        queued = await store.runs(RunFilter(state=RunState.QUEUED))
        assert [run.event_id for run in queued] == [events[-1].id]
        taken = await asyncio.gather(*(take(store) for _ in range(3)))
        assert sorted(map(len, taken)) == [0, 0, 1]


async def _succeeded_run(store: Store, site: Site) -> RunId:
    await fire(store, site)
    (taken,) = await take(store)
    await finish(store, succeeded(taken))
    return taken.run_id
