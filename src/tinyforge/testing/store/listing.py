"""Pages of rows, the ledger of one schedule, and what has moved."""

from __future__ import annotations

from tinyforge.clock import MINUTE, SECOND, Moment
from tinyforge.errors import NotFound
from tinyforge.model import EventDraft, EventId, Queue, RunId, RunState
from tinyforge.store.port import (
    Advance,
    ConfigChange,
    EventFilter,
    LedgerPlace,
    RowFilter,
    RunFilter,
    Seen,
    Skip,
    Store,
    TriggerWrite,
)
from tinyforge.testing.store.refused import refused
from tinyforge.testing.store.site import (
    EVERY_MINUTE,
    NOW,
    Planned,
    Site,
    accept,
    fan_out,
    fire,
    only_run,
    put_site,
    take,
)

NAMES = ("b", "a", "c-1", "c", "c.1")
BY_NAME = ("a", "b", "c", "c-1", "c.1")  # by code points


class ListingContract:
    async def test_rows_come_by_name_and_page_by_page(self, store: Store) -> None:
        for name in NAMES:
            await put_site(store, Planned(name=name))
        found: list[str] = []
        after: int | None = None
        for size in (2, 2, 1, 0):
            page = await store.rows(RowFilter(what="trigger", after=after, limit=2))
            rows = [one.row for one in page if one.row is not None]
            assert len(rows) == size
            found += [row.name for row in rows]
            after = rows[-1].id if rows else None
        assert tuple(found) == BY_NAME

    async def test_rows_of_a_kind_alone(self, store: Store) -> None:
        await put_site(store, Planned(name="one", kind="manual"))
        await put_site(store, Planned(name="two", kind="github"))
        found = await store.rows(RowFilter(what="trigger", kind="github"))
        assert [one.row.name for one in found if one.row is not None] == ["two"]
        assert await store.rows(RowFilter(what="workload", kind="http")) == []

    async def test_bindings_of_one_end_alone(self, store: Store) -> None:
        one, two = [await put_site(store, Planned(name=n, workloads=2)) for n in ("one", "two")]
        of_trigger = RowFilter(what="binding", trigger_id=one.trigger.id)
        found = await store.rows(of_trigger)
        assert {f.row.id for f in found if f.row} == {row.id for row in one.bindings}
        of_workload = RowFilter(what="binding", workload_id=two.workloads[0].id)
        found = await store.rows(of_workload)
        assert [f.row.id for f in found if f.row] == [two.bindings[0].id]
        both = await store.bindings_of_rows("trigger", [one.trigger.id, two.trigger.id])
        assert {row.id for row in both} == {b.id for site in (one, two) for b in site.bindings}

    async def test_a_row_that_is_deleted_is_in_no_page(self, store: Store) -> None:
        site = await put_site(store)
        gone = TriggerWrite(row=site.trigger, text=None, deleted=True)
        await store.change(ConfigChange(author="test", triggers=[gone]), NOW + SECOND)
        assert await store.rows(RowFilter(what="trigger")) == []

    async def test_a_binding_is_found_by_its_name(self, store: Store) -> None:
        site = await put_site(store)
        found = await store.binding_named(site.bindings[0].name)
        assert found.id == site.bindings[0].id
        await refused(store.binding_named(f"{site.bindings[0].name}s"), NotFound)

    async def test_an_event_is_found_by_its_key(self, store: Store) -> None:
        one, two = [await put_site(store, Planned(name=name)) for name in ("one", "two")]
        draft = EventDraft(trigger_id=one.trigger.id, key="k", facts={"branch": "main"})
        (event,) = await store.accept([draft], NOW)
        found = await store.event_keyed(one.trigger.id, "k")
        assert event is not None
        assert found is not None
        assert (found.id, found.facts) == (event.id, {"branch": "main"})
        assert await store.event_keyed(two.trigger.id, "k") is None
        assert await store.event_keyed(one.trigger.id, "K") is None

    async def test_events_and_runs_from_one_on(self, store: Store) -> None:
        site = await put_site(store, Planned(queue=Queue.EVERY))
        first, second = [await accept(store, site, NOW + n * MINUTE) for n in (0, 1)]
        newer = await store.events(EventFilter(since=second.id))
        assert [event.id for event in newer] == [second.id]
        older = await store.events(EventFilter(since=first.id, before=second.id))
        assert [event.id for event in older] == [first.id]
        await fan_out(store, site, first, second)
        last = await only_run(store, second)
        runs = await store.runs(RunFilter(since=last.id))
        assert [run.event_id for run in runs] == [second.id]

    async def test_events_of_a_kind_and_runs_of_a_trigger(self, store: Store) -> None:
        one = await put_site(store, Planned(name="one", kind="manual"))
        two = await put_site(store, Planned(name="two", kind="github"))
        of_one, _ = await fire(store, one)
        of_two, _ = await fire(store, two)
        found = await store.events(EventFilter(kind="github"))
        assert [event.id for event in found] == [of_two.id]
        runs = await store.runs(RunFilter(trigger_id=one.trigger.id))
        assert [run.event_id for run in runs] == [of_one.id]

    async def test_a_ledger_goes_on_below_the_place_where_a_page_ended(self, store: Store) -> None:
        site = await put_site(store, Planned(spec=EVERY_MINUTE))
        first = await advance_to(store, site, NOW)
        second = await advance_to(store, site, NOW + MINUTE)
        whole = await store.ledger(site.trigger.id, None, 10)
        assert [event.id for event in whole.events] == [second, first]
        rest = await store.ledger(site.trigger.id, LedgerPlace(NOW + MINUTE, 1), 10)
        assert [event.id for event in rest.events] == [first]
        one = await store.ledger(site.trigger.id, None, 1)
        assert [event.id for event in one.events] == [second]

    async def test_skipped_windows_are_in_the_ledger(self, store: Store) -> None:
        site = await put_site(store, Planned(spec=EVERY_MINUTE))
        await skip_until(store, site, NOW + 3 * MINUTE)
        whole = await store.ledger(site.trigger.id, None, 10)
        (span,) = whole.spans
        assert (span.reason, span.newest) == ("late", NOW + 3 * MINUTE)
        below = LedgerPlace(span.newest, span.epoch)
        assert (await store.ledger(site.trigger.id, below, 10)).spans == []

    async def test_what_moved_is_told_with_how_far_each_run_is(self, store: Store) -> None:
        site = await put_site(store)
        event, _ = await fire(store, site)
        run = await only_run(store, event)
        before = await store.moves(seen())
        assert [one.id for one in before.events] == [event.id]
        assert before.runs == {run.id: (RunState.QUEUED, 0)}
        assert before.new_runs == 1
        assert {one.row_id for one in before.revised} >= {site.trigger.id}
        await take(store)
        after = await store.moves(seen(since=event.id + 1_000))
        assert (after.events, after.new_runs) == ([], 0)
        assert after.runs == {run.id: (RunState.RUNNING, 1)}
        assert [one.id for one in await store.runs_by_id([run.id])] == [run.id]

    async def test_a_run_that_is_watched_is_told_of_when_it_is_over(self, store: Store) -> None:
        site = await put_site(store)
        event, _ = await fire(store, site)
        run = await only_run(store, event)
        await store.cancel_queued(run.id, (), NOW + SECOND)
        late = run.id + 1_000
        assert (await store.moves(seen(since=late))).runs == {}
        watching = await store.moves(seen(run.id, since=late))
        assert watching.runs == {run.id: (RunState.CANCELLED, 0)}

    async def test_events_are_told_without_their_facts(self, store: Store) -> None:
        site = await put_site(store)
        await store.accept([EventDraft(trigger_id=site.trigger.id, facts={"a": "b"})], NOW)
        (told,) = (await store.moves(seen())).events
        assert told.facts == {}

    async def test_a_change_of_config_is_another_generation(self, store: Store) -> None:
        before = await store.moves(seen())
        await put_site(store)
        assert (await store.moves(seen())).generation > before.generation


def seen(*watched: RunId, since: int = 0) -> Seen:
    return Seen(since=since, watched=watched, limit=100)


async def advance_to(store: Store, site: Site, window: Moment) -> EventId:
    """Have the schedule fire at *window*, which is due."""
    return await _decide(store, site, window, late=False)


async def skip_until(store: Store, site: Site, window: Moment) -> None:
    """Have all windows up to *window* skipped as too late."""
    await _decide(store, site, window, late=True)


async def _decide(store: Store, site: Site, window: Moment, *, late: bool) -> EventId:
    (row,) = [
        one for one in await store.due((0, 0), window, 10) if one.trigger_id == site.trigger.id
    ]
    event_id = EventId(store.new_id(window))
    advance = Advance(
        trigger_id=row.trigger_id,
        due_at=row.due_at,
        last_fired_at=row.last_fired_at if late else window,
        base=row.base,
        next_due_at=window + MINUTE,
        fired=None if late else event_id,
        epoch=row.epoch,
        window=None if late else window,
        folded=0,
        folded_from=None,
        revision_id=row.revision_id,
    )
    skip = Skip(site.trigger.id, row.epoch, row.due_at, window, "late", 4, row.revision_id)
    await store.advance([advance], [skip] if late else [], None, window)
    return event_id
