"""Events: accepted once, fanned out once."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec.structs import replace

from tinyforge.clock import SECOND
from tinyforge.errors import Conflict, NotFound
from tinyforge.ids import Ids
from tinyforge.model import Event, EventDraft, EventId, Outcome, RunState
from tinyforge.store.port import EventFilter, Store
from tinyforge.testing.store.refused import refused
from tinyforge.testing.store.site import (
    NOW,
    Bench,
    Planned,
    accept,
    fan_out,
    fire,
    only_run,
    put_site,
    refusing,
    runs_of,
    take,
)


class AcceptingContract:
    async def test_events_are_accepted_in_order(self, store: Store) -> None:
        site = await put_site(store)
        drafts = [EventDraft(trigger_id=site.trigger.id, key=str(n)) for n in range(5)]
        accepted = [event for event in await store.accept(drafts, NOW) if event is not None]
        assert [event.key for event in accepted] == ["0", "1", "2", "3", "4"]
        ids = [event.id for event in accepted]
        assert ids == sorted(set(ids))

    async def test_an_event_comes_back_as_it_was_accepted(self, store: Store) -> None:
        site = await put_site(store)
        draft = EventDraft(
            trigger_id=site.trigger.id,
            key="abc",
            facts={"branch": "mäin", "paths": ["a", 1, None]},
            actor="local:root",
            ruleless=True,
        )
        (accepted,) = await store.accept([draft], NOW)
        assert accepted is not None
        stored = await store.event(accepted.id)
        assert (stored.facts, stored.actor, stored.ruleless) == (
            draft.facts,
            "local:root",
            True,
        )
        assert (stored.accepted_at, stored.fanned_at, stored.key) == (NOW, None, "abc")
        assert stored.revision_id == (await store.revisions("trigger", site.trigger.id))[0].id

    async def test_a_key_is_accepted_once(self, store: Store) -> None:
        site = await put_site(store)
        draft = EventDraft(trigger_id=site.trigger.id, key="delivery-1")
        (first,) = await store.accept([draft], NOW)
        assert await store.accept([draft], NOW + SECOND) == [None]
        found = await store.events(EventFilter(trigger_id=site.trigger.id))
        assert first is not None
        assert [event.id for event in found] == [first.id]

    async def test_a_key_twice_in_one_batch_is_accepted_once(self, store: Store) -> None:
        site = await put_site(store)
        draft = EventDraft(trigger_id=site.trigger.id, key="delivery-1")
        first, second = await store.accept([draft, draft], NOW)
        assert first is not None
        assert second is None

    async def test_a_key_belongs_to_its_trigger(self, store: Store) -> None:
        sites = [await put_site(store, Planned(name=name)) for name in ("one", "two")]
        drafts = [EventDraft(trigger_id=site.trigger.id, key="same") for site in sites]
        assert None not in await store.accept(drafts, NOW)

    async def test_without_a_key_every_event_is_new(self, store: Store) -> None:
        site = await put_site(store)
        assert (await accept(store, site)).id != (await accept(store, site)).id

    async def test_a_match_becomes_a_run_and_is_its_result(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=3))
        event, done = await fire(store, site)
        runs = await runs_of(store, event)
        assert [run.state for run in runs] == [RunState.QUEUED] * 3
        assert done.runs == 3
        assert [(r.binding_id, r.outcome, r.run_id) for r in done.results] == [
            (run.binding_id, Outcome.MATCHED, run.id) for run in runs
        ]
        assert (await store.results([event.id]))[event.id] == list(done.results)
        assert (await store.event(event.id)).fanned_at == NOW

    async def test_what_did_not_match_is_kept_with_its_reason(self, store: Store) -> None:
        site = await put_site(store)
        event = await accept(store, site)
        done = await store.fan_out(await refusing(store, site, event), NOW)
        assert done.runs == 0
        (result,) = (await store.results([event.id]))[event.id]
        assert (result.outcome, result.run_id) == (Outcome.NOT_MATCHED, None)
        assert result.reason == "branch is 'dev', not 'main'"

    async def test_a_second_fan_out_changes_nothing(self, store: Store) -> None:
        site = await put_site(store)
        event, _ = await fire(store, site)
        again = await fan_out(store, site, event)
        assert (again.runs, again.results) == (0, ())
        assert len(await runs_of(store, event)) == 1

    async def test_a_batch_goes_on_without_the_events_done_before(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=2))
        done, _ = await fire(store, site)
        late = await accept(store, site)
        await fan_out(store, site, done, late)
        assert len(await runs_of(store, done)) == 2
        assert len(await runs_of(store, late)) == 2

    async def test_two_fan_outs_at_once_store_one(self, store: Store) -> None:
        site = await put_site(store)
        event = await accept(store, site)
        first, second = fan_out(store, site, event), fan_out(store, site, event)
        counts = sorted([(await first).runs, (await second).runs])
        assert counts == [0, 1]

    async def test_a_fan_out_over_old_bindings_is_refused(self, store: Store) -> None:
        site = await put_site(store)
        event = await accept(store, site)
        batch = await refusing(store, site, event)
        await put_site(store, Planned(name="other"))
        await refused(store.fan_out(batch, NOW), Conflict)
        assert (await store.event(event.id)).fanned_at is None
        assert await store.results([event.id]) == {event.id: []}

    async def test_a_refused_fan_out_leaves_the_queues_as_they_were(self, store: Store) -> None:
        site = await put_site(store)
        old, _ = await fire(store, site)
        new = await accept(store, site)
        batch = replace(await refusing(store, site, new), generation=await store.generation() - 1)
        await refused(store.fan_out(batch, NOW), Conflict)
        (taken,) = await take(store)
        assert taken.run_id == (await only_run(store, old)).id

    async def test_an_event_without_results_is_open(self, store: Store) -> None:
        site = await put_site(store)
        waiting = await accept(store, site)
        await fire(store, site)
        assert await _ids(store.open_events(9, NOW + 1)) == [waiting.id]
        assert await _ids(store.open_events(9, NOW)) == []
        assert await _ids(store.left_events(9)) == []

    async def test_after_a_restart_open_events_are_left_over(self, bench: Bench) -> None:
        async with bench.open() as store:
            site = await put_site(store)
            events = [await accept(store, site) for _ in range(3)]
        async with bench.open() as store:
            assert await _ids(store.open_events(9, NOW + 1)) == []
            assert await _ids(store.left_events(2)) == [event.id for event in events[:2]]
            assert (await accept(store, site)).id > events[-1].id

    async def test_a_try_is_counted_before_it_is_tried(self, bench: Bench) -> None:
        async with bench.open() as store:
            event = await accept(store, await put_site(store))
        for tries in range(2):
            async with bench.open() as store:
                (left,) = await store.left_events(9)
                assert left.tries == tries
                assert await store.try_alone(event.id, counted=True)
        async with bench.open() as store:
            (left,) = await store.left_events(9)
            assert left.tries == 2
            assert await store.try_alone(event.id, counted=False)
            assert (await store.event(event.id)).tries == 2

    async def test_what_has_its_results_is_not_tried_again(self, store: Store) -> None:
        event, _ = await fire(store, await put_site(store))
        assert not await store.try_alone(event.id, counted=True)
        assert (await store.event(event.id)).tries == 0

    async def test_events_are_found_newest_first_in_pages(self, store: Store) -> None:
        site = await put_site(store)
        ids = [(await accept(store, site)).id for _ in range(5)]
        wanted = EventFilter(trigger_id=site.trigger.id, limit=3)
        page = await store.events(wanted)
        rest = await store.events(replace(wanted, before=page[-1].id))
        assert [event.id for event in (*page, *rest)] == ids[::-1]

    async def test_an_event_that_is_not_there_is_not_found(self, store: Store) -> None:
        unknown = EventId(Ids().next(NOW))
        await refused(store.event(unknown), NotFound)
        assert await store.events_by_id([unknown]) == {}


async def _ids(waiting: Awaitable[list[Event]]) -> list[EventId]:
    return [event.id for event in await waiting]
