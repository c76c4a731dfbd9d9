"""Keeping: what goes when its time is over, and what never goes."""

from __future__ import annotations

from msgspec.structs import replace

from tinyforge.clock import DAY, HOUR, Moment
from tinyforge.model import Event, EventDraft, Queue, RunState
from tinyforge.store.port import EventFilter, Limits, LogPart, Store, Swept
from tinyforge.testing.store.site import (
    NOW,
    Planned,
    Site,
    accept,
    fan_out,
    finish,
    fire,
    only_run,
    put_site,
    succeeded,
    take,
)

KEEP = Limits(history=90 * DAY, decisions=2, logs=30 * DAY, log_bytes=1 << 30)
LATER: Moment = NOW + 91 * DAY


class KeepingContract:
    async def test_what_is_young_is_kept(self, store: Store) -> None:
        await _history(store, 5)
        swept = await store.sweep_history(KEEP, NOW + 89 * DAY)
        assert (swept.events, swept.runs, swept.more) == (0, 0, False)

    async def test_what_is_old_goes_with_all_that_belongs_to_it(self, store: Store) -> None:
        site = await _history(store, 5)
        swept = await store.sweep_history(KEEP, LATER)
        assert (swept.events, swept.runs) == (3, 3)
        assert len(await store.events(EventFilter(trigger_id=site.trigger.id))) == 2
        assert await store.events_without_results(9) == []

    async def test_the_last_decisions_of_a_trigger_are_kept_whatever_their_age(
        self, store: Store
    ) -> None:
        site = await _history(store, 2)
        await _sweep_all(store)
        assert len(await store.events(EventFilter(trigger_id=site.trigger.id))) == 2

    async def test_what_is_proved_moves_with_what_goes(self, store: Store) -> None:
        site = await _history(store, 5)
        assert await store.proved_from(site.trigger.id) is None
        await _sweep_all(store)
        assert await store.proved_from(site.trigger.id) == NOW

    async def test_an_event_with_a_live_run_is_kept(self, store: Store) -> None:
        site = await put_site(store, Planned(queue=Queue.EVERY))
        waiting, _ = await fire(store, site)
        await _fires(store, site, 4)
        await _sweep_all(store)
        assert (await only_run(store, waiting)).state is RunState.QUEUED

    async def test_old_log_lines_go_before_their_run(self, store: Store) -> None:
        event = await _run_with_log(store, NOW)
        await store.sweep_history(KEEP, NOW + 31 * DAY)
        run = await only_run(store, event)
        assert await store.log(run.id) == []

    async def test_logs_keep_within_their_bytes_the_oldest_go_first(self, store: Store) -> None:
        old, new = await _run_with_log(store, NOW), await _run_with_log(store, NOW + HOUR)
        few = replace(KEEP, log_bytes=0)
        swept = await _sweep(store, few, NOW + HOUR)
        assert swept.log_bytes > 0
        for event in (old, new):
            assert await store.log((await only_run(store, event)).id) == []

    async def test_facts_about_the_file_are_kept(self, store: Store) -> None:
        assert await store.fact("colour") is None
        await store.set_fact("colour", "blue")
        assert await store.fact("colour") == "blue"
        await store.set_fact("colour", None)
        assert await store.fact("colour") is None

    async def test_a_sound_file_has_no_faults(self, store: Store) -> None:
        await _history(store, 3)
        await store.checkpoint()
        assert await store.check() == []

    async def test_counts_are_of_this_moment(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=3))
        await fire(store, site)
        await accept(store, site)
        await take(store, free=1)
        counts = await store.counts()
        assert counts.triggers == {"manual": 1}
        assert counts.runs == {"queued": 2, "running": 1}
        assert (counts.open_events, counts.paused, counts.oldest_undecided) == (1, 0, None)


async def _history(store: Store, count: int) -> Site:
    site = await put_site(store, Planned(queue=Queue.EVERY))
    await _fires(store, site, count)
    for _ in range(count):
        taken = await take(store)
        await finish(store, *map(succeeded, taken))
    return site


async def _fires(store: Store, site: Site, count: int) -> None:
    drafts = [EventDraft(trigger_id=site.trigger.id) for _ in range(count)]
    events = [event for event in await store.accept(drafts, NOW) if event is not None]
    await fan_out(store, site, *events)


async def _sweep_all(store: Store) -> None:
    while (await _sweep(store, KEEP, LATER)).more:
        pass


async def _sweep(store: Store, keep: Limits, now: Moment) -> Swept:
    return await store.sweep_history(keep, now)


async def _run_with_log(store: Store, at: Moment) -> Event:
    site = await put_site(store, Planned(name=f"s{at}"))
    event, _ = await fire(store, site)
    run = await only_run(store, event)
    await store.append_log([LogPart(run.id, 0, ["a line"])], at)
    return event
