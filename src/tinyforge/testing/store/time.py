"""Time: schedules advanced with their events in one transaction, every decision kept."""

from __future__ import annotations

from msgspec.structs import replace

from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, Moment
from tinyforge.errors import Conflict
from tinyforge.model import Event, EventId, Queue, RunState
from tinyforge.schedule import life
from tinyforge.schedule.decide import decide
from tinyforge.schedule.decision import Decision, State
from tinyforge.schedule.spec import First, Interval, Spec, Timetable, dump_spec, load_spec
from tinyforge.store.port import (
    Advance,
    ConfigChange,
    Due,
    FanOutBatch,
    FanOutDone,
    Matched,
    Skip,
    Store,
    TimingWrite,
)
from tinyforge.testing.store.refused import refused
from tinyforge.testing.store.site import (
    EVERY_MINUTE,
    NOW,
    Planned,
    Site,
    creation,
    fire,
    put_site,
    runs_of,
    take,
)

FIRST = (-(2**62), -(2**62))
SCHEDULE = Planned(spec=EVERY_MINUTE)
PUNCTUAL = replace(EVERY_MINUTE, max_late=SECOND)


class TimeContract:
    async def test_a_schedule_is_due_at_its_next_window(self, store: Store) -> None:
        site = await put_site(store, SCHEDULE)
        assert await store.next_due_at() == NOW
        (row,) = await store.due(FIRST, NOW, 9)
        assert (row.trigger_id, row.due_at, row.epoch) == (site.trigger.id, NOW, 1)
        assert await store.due(FIRST, NOW - 1, 9) == []
        assert await _spec(store, row) == load_spec(dump_spec(EVERY_MINUTE))

    async def test_due_rows_come_in_order_and_in_pages(self, store: Store) -> None:
        for minutes in (3, 1, 2, 1):
            spec = _every(minutes * MINUTE)
            await put_site(store, Planned(name=f"s{store.new_id(NOW)}", spec=spec))
        rows: list[Due] = []
        after = FIRST
        while page := await store.due(after, NOW + HOUR, 3):
            rows += page
            after = (page[-1].due_at, page[-1].trigger_id)
        assert [(row.due_at - NOW) // MINUTE for row in rows] == [1, 1, 2, 3]
        assert rows == sorted(rows, key=lambda row: (row.due_at, row.trigger_id))

    async def test_a_fire_is_stored_with_its_advance(self, store: Store) -> None:
        site = await put_site(store, SCHEDULE)
        event = await _fire(store, site, NOW)
        assert (event.window, event.epoch, event.folded) == (NOW, 1, 0)
        assert (event.last_fired_at, event.accepted_at, event.fanned_at) == (NOW, NOW, None)
        assert await store.next_due_at() == NOW + MINUTE
        _, timing = await store.trigger_named("site")
        assert timing is not None
        assert timing.state is not None
        assert (timing.state.last_fired_at, timing.state.decided_until) == (NOW, NOW)
        assert await store.high_water() == NOW

    async def test_a_fire_can_be_stored_with_its_runs(self, store: Store) -> None:
        site = await put_site(store, replace(SCHEDULE, workloads=2))
        event = await _fire(store, site, NOW, fan_out=True)
        assert event.fanned_at == NOW
        runs = await runs_of(store, event)
        assert [run.state for run in runs] == [RunState.QUEUED] * 2
        assert await store.events_without_results(9) == []

    async def test_an_advance_over_a_row_that_moved_stores_nothing(self, store: Store) -> None:
        site = await put_site(store, SCHEDULE)
        (row,) = await store.due(FIRST, NOW, 9)
        await _fire(store, site, NOW)
        advance, _, _ = await _step(store, row, NOW)
        await refused(store.advance([advance], (), None, NOW), Conflict)
        assert len((await store.histories(None, 9))[0].fired) == 1

    async def test_one_row_that_moved_refuses_its_whole_batch(self, store: Store) -> None:
        sites = [await put_site(store, replace(SCHEDULE, name=name)) for name in ("a", "b")]
        rows = await store.due(FIRST, NOW, 9)
        await _fire(store, sites[0], NOW)
        advances = [(await _step(store, row, NOW))[0] for row in rows]
        await refused(store.advance(advances, (), None, NOW), Conflict)
        assert await store.due(FIRST, NOW, 9) == rows[1:]

    async def test_an_advance_over_old_bindings_stores_nothing(self, store: Store) -> None:
        site = await put_site(store, SCHEDULE)
        rows = await store.due(FIRST, NOW, 9)
        advance, event_id, _ = await _step(store, rows[0], NOW)
        batch = await _fan_out(store, site, event_id)
        await put_site(store, Planned(name="other"))
        await refused(store.advance([advance], (), batch, NOW), Conflict)
        assert await store.due(FIRST, NOW, 9) == rows
        assert await store.events_by_id([event_id]) == {}

    async def test_what_came_late_is_a_span_and_what_was_passed_over_is_folded(
        self, store: Store
    ) -> None:
        site = await put_site(store, Planned(spec=replace(EVERY_MINUTE, max_late=2 * MINUTE)))
        await _fire(store, site, NOW)
        later = NOW + 5 * MINUTE
        event = await _fire(store, site, later)
        assert (event.window, event.folded, event.folded_from) == (later, 2, NOW + 3 * MINUTE)
        (span,) = await store.spans(site.trigger.id, 9)
        assert (span.oldest, span.newest, span.count) == (NOW + MINUTE, NOW + 2 * MINUTE, 2)
        assert (span.reason, span.epoch, span.decided_at) == ("late", 1, later)

    async def test_each_window_is_found_by_its_moment(self, store: Store) -> None:
        site = await put_site(store, Planned(spec=replace(EVERY_MINUTE, max_late=2 * MINUTE)))
        trigger = site.trigger.id
        first = await _fire(store, site, NOW)
        event = await _fire(store, site, NOW + 5 * MINUTE)
        for minutes in (3, 4, 5):
            found = await store.event_at(trigger, NOW + minutes * MINUTE)
            assert found is not None
            assert found.id == event.id
        assert await store.event_at(trigger, NOW + MINUTE) is None
        assert await store.span_at(trigger, NOW + MINUTE) is not None
        assert await store.span_at(trigger, NOW + 3 * MINUTE) is None
        before = await store.fire_before(trigger, NOW + 5 * MINUTE)
        assert before is not None
        assert before.id == first.id
        assert await store.fire_before(trigger, NOW) is None

    async def test_a_skip_without_a_fire_moves_the_schedule(self, store: Store) -> None:
        site = await put_site(store, Planned(spec=PUNCTUAL))
        await _advance(store, site, NOW + 30 * SECOND)
        (span,) = await store.spans(site.trigger.id, 9)
        assert (span.oldest, span.newest, span.count) == (NOW, NOW, 1)
        (history,) = await store.histories(None, 9)
        assert history.fired == []

    async def test_an_edit_begins_an_epoch(self, store: Store) -> None:
        site = await put_site(store, SCHEDULE)
        state = await _state(store)
        spec = _every(2 * MINUTE)
        await _change(store, site, life.edit(EVERY_MINUTE, spec, state, NOW + HOUR), state, spec)
        first, second = await store.epochs(site.trigger.id)
        assert (first.epoch, first.why, first.spec) == (1, "created", dump_spec(EVERY_MINUTE))
        assert (second.epoch, second.why, second.spec) == (2, "edited", dump_spec(spec))
        assert (second.since, second.decided_from) == (NOW + HOUR, NOW + HOUR)
        assert second.before_until == NOW + HOUR
        (span,) = await store.spans(site.trigger.id, 9)
        assert (span.reason, span.epoch) == ("superseded", 1)

    async def test_a_change_may_fire(self, store: Store) -> None:
        site = await put_site(store, SCHEDULE)
        state = await _state(store)
        paused = life.pause(EVERY_MINUTE, state, NOW)
        await _change(store, site, paused, state)
        assert await store.next_due_at() is None
        resumed = life.resume(EVERY_MINUTE, paused.state, NOW + HOUR)
        (event,) = await _change(store, site, resumed, paused.state)
        stored = await store.event(event.id)
        assert (stored.window, stored.epoch, stored.fanned_at) == (NOW + HOUR, 1, None)
        assert stored.last_fired_at == NOW + HOUR
        assert [one.id for one in await store.open_events(9, NOW + 2 * HOUR)] == [event.id]

    async def test_a_change_decided_on_an_old_state_is_refused(self, store: Store) -> None:
        site = await put_site(store, SCHEDULE)
        state = await _state(store)
        await _fire(store, site, NOW)
        paused = life.pause(EVERY_MINUTE, state, NOW)
        await refused(_change(store, site, paused, state), Conflict)
        assert (await _state(store)).paused_at is None

    async def test_a_schedule_that_begins_anew_takes_an_epoch_that_was_never_used(
        self, store: Store
    ) -> None:
        site = await put_site(store, SCHEDULE)
        await _fire(store, site, NOW)
        anew = creation(site.trigger.id, EVERY_MINUTE, NOW)
        await store.change(ConfigChange(author="test", timings=[anew]), NOW)
        assert [one.epoch for one in await store.epochs(site.trigger.id)] == [1, 2]
        assert (await _fire(store, site, NOW)).epoch == 2

    async def test_the_history_of_a_schedule_is_whole(self, store: Store) -> None:
        sites = [await put_site(store, replace(SCHEDULE, name=name)) for name in ("a", "b", "c")]
        await put_site(store, Planned(name="manual"))
        await _fire(store, sites[1], NOW)
        pages = [await store.histories(None, 2)]
        while pages[-1]:
            pages.append(await store.histories(pages[-1][-1].trigger_id, 2))
        kept = [history for page in pages for history in page]
        assert [(one.name, len(one.fired)) for one in kept] == [("a", 0), ("b", 1), ("c", 0)]
        (fired,) = kept[1].fired
        assert (fired.epoch, fired.window, fired.last_fired_at) == (1, NOW, NOW)
        assert not fired.fanned
        assert [one.why for one in kept[1].epochs] == ["created"]

    async def test_schedules_decided_beyond_a_moment_are_found(self, store: Store) -> None:
        sites = [await put_site(store, replace(SCHEDULE, name=name)) for name in ("a", "b")]
        await _fire(store, sites[1], NOW + HOUR)
        found = await store.decided_after(NOW + MINUTE, sites[0].trigger.id, 9)
        assert [timing.trigger_id for timing in found] == [sites[1].trigger.id]
        assert await store.decided_after(NOW + HOUR, sites[0].trigger.id, 9) == []

    async def test_the_mark_keeps_the_latest_moment(self, store: Store) -> None:
        await store.mark(NOW + HOUR)
        await store.mark(NOW)
        assert await store.high_water() == NOW + HOUR
        await store.lower_mark(NOW)
        assert await store.high_water() == NOW

    async def test_a_run_waits_no_longer_when_the_clock_returns(self, store: Store) -> None:
        site = await put_site(store)
        await fire(store, site, ready_at=NOW + DAY + MINUTE)
        await store.mark(NOW + DAY)
        await store.lower_mark(NOW)
        assert store.next_ready_at(NOW) == NOW + MINUTE
        assert len(await take(store, now=NOW + MINUTE)) == 1


def _every(length: int) -> Spec:
    return Spec(timetable=Timetable(timing=Interval(every=length)), first=First.WAIT)


async def _spec(store: Store, row: Due) -> Spec:
    assert row.spec_id is not None
    return load_spec((await store.specs([row.spec_id]))[row.spec_id])


async def _state(store: Store) -> State:
    _, timing = await store.trigger_named("site")
    assert timing is not None
    assert timing.state is not None
    return timing.state


async def _change(
    store: Store, site: Site, decision: Decision, before: State, spec: Spec = EVERY_MINUTE
) -> list[Event]:
    write = TimingWrite(
        trigger_id=site.trigger.id,
        before=(before.epoch, before.decided_until),
        decision=decision,
        spec=dump_spec(spec),
        revision_id=None,
    )
    return await store.change(ConfigChange(author="test", timings=[write]), NOW + HOUR)


async def _fire(store: Store, site: Site, now: Moment, *, fan_out: bool = False) -> Event:
    event_id, _ = await _advance(store, site, now, fan_out=fan_out)
    return await store.event(event_id)


async def _advance(
    store: Store, site: Site, now: Moment, *, fan_out: bool = False
) -> tuple[EventId, FanOutDone | None]:
    """Decide what is due of *site* at *now*, and store it."""
    rows = [row for row in await store.due(FIRST, now, 99) if row.trigger_id == site.trigger.id]
    advance, event_id, skips = await _step(store, rows[0], now)
    batch = await _fan_out(store, site, event_id) if fan_out else None
    return event_id, await store.advance([advance], skips, batch, now)


async def _step(store: Store, row: Due, now: Moment) -> tuple[Advance, EventId, list[Skip]]:
    spec = await _spec(store, row)
    state = State(
        epoch=row.epoch,
        since=row.since,
        base=row.base,
        opening=row.opening,
        last_fired_at=row.last_fired_at,
        decided_until=row.decided_until,
    )
    decision = decide(spec, state, now)
    event_id = EventId(store.new_id(now))
    fire, skipped, after = decision.fire, decision.skipped, decision.state
    folded = fire.folded if fire else None
    advance = Advance(
        trigger_id=row.trigger_id,
        due_at=row.due_at,
        last_fired_at=after.last_fired_at,
        base=after.base,
        next_due_at=decision.due_at,
        fired=event_id if fire else None,
        epoch=row.epoch,
        window=fire.window if fire else None,
        folded=folded.count if folded else 0,
        folded_from=folded.oldest if folded else None,
        revision_id=row.revision_id,
    )
    if skipped is None:
        return advance, event_id, []
    span = skipped.span
    reach = (row.trigger_id, row.epoch, span.oldest, span.newest)
    return advance, event_id, [Skip(*reach, skipped.reason, span.count, row.revision_id)]


async def _fan_out(store: Store, site: Site, event_id: EventId) -> FanOutBatch:
    return FanOutBatch(
        generation=await store.generation(),
        events=[event_id],
        matched=[
            Matched(event_id, one.id, one.workload_id, Queue.LATEST, repeatable=False, ready_at=NOW)
            for one in site.bindings
        ],
        unmatched=(),
    )
