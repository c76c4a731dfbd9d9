"""Deliveries: stored with their events, known again, decided anew."""

from __future__ import annotations

import asyncio

from backports import zstd
from msgspec.structs import replace

from tinyforge.clock import DAY, MINUTE, SECOND
from tinyforge.errors import NotFound
from tinyforge.ids import Ids
from tinyforge.model import DeliveryId, Event, Outcome, TriggerId
from tinyforge.store.port import (
    Arrival,
    DeliveryFilter,
    EventFilter,
    FanOutBatch,
    Fate,
    Limits,
    Matched,
    Received,
    Store,
)
from tinyforge.testing.store.refused import refused
from tinyforge.testing.store.site import (
    NOW,
    Bench,
    Planned,
    Site,
    fan_out,
    put_site,
    refusing,
    runs_of,
)

BODY = b'{"ref": "refs/heads/main"}'
PACKED = zstd.compress(BODY)
KEPT = Limits(history=90 * DAY, decisions=1, logs=DAY, log_bytes=1 << 30)


def arrival(site: Site, delivery_id: str = "one") -> Arrival:
    return Arrival(
        trigger_id=site.trigger.id,
        fate=Fate.ACCEPTED,
        delivery_id=delivery_id,
        facts={"changes": [{"event": "push", "branch": "main"}]},
        digest="d1",
        size=len(BODY),
        packed=PACKED,
        headers='{"x-event": "push"}',
        source="192.0.2.1",
        secret=0,
    )


def ignored(site: Site, delivery_id: str = "one") -> Arrival:
    return replace(arrival(site, delivery_id), fate=Fate.IGNORED, reason="a pull", facts={})


def by_content(site: Site, content: str = "image:1", delivery_id: str = "") -> Arrival:
    return replace(arrival(site, delivery_id), content=content, content_until=NOW + MINUTE)


async def one(store: Store, arrived: Arrival, now: int = NOW) -> Received:
    (received,) = await store.receive([arrived], now)
    return received


async def events_of(store: Store, site: Site) -> list[Event]:
    return await store.events(EventFilter(trigger_id=site.trigger.id, limit=1_000))


class ArrivingContract:
    async def test_a_delivery_is_stored_with_its_event(self, store: Store) -> None:
        site = await put_site(store)
        received = await one(store, arrival(site))
        assert received.event is not None
        stored = await store.event(received.event.id)
        assert received.event == replace(stored, revision_id=None)
        assert received.event.facts == arrival(site).facts
        row = await store.delivery(received.number)
        assert (row.event_id, row.fate, row.delivery_id) == (received.event_id, "accepted", "one")
        assert (row.size, row.source, row.secret) == (len(BODY), "192.0.2.1", 0)
        assert (row.received_at, row.headers) == (NOW, '{"x-event": "push"}')
        assert await store.deliveries_of([received.event.id]) == {received.event.id: row.id}
        assert (await store.brought([row.id]))[row.id] == (row.headers, BODY)
        assert [open_one.id for open_one in await store.open_events(9, NOW + 1)] == [row.event_id]

    async def test_the_same_id_is_the_first_event(self, store: Store) -> None:
        site = await put_site(store)
        first = await one(store, arrival(site))
        again = await one(store, arrival(site), NOW + DAY)
        assert (again.fate, again.event_id, again.event) == ("duplicate", first.event_id, None)
        assert len(await events_of(store, site)) == 1
        assert len(await store.deliveries(DeliveryFilter())) == 1

    async def test_of_many_that_come_at_once_one_is_the_event(self, store: Store) -> None:
        site = await put_site(store)
        batches = [[arrival(site)] * 20 for _ in range(10)]
        received = await asyncio.gather(*(store.receive(batch, NOW) for batch in batches))
        every = [taken for batch in received for taken in batch]
        (event,) = await events_of(store, site)
        assert [taken.event_id for taken in every] == [event.id] * 200
        assert sum(taken.event is not None for taken in every) == 1

    async def test_triggers_know_their_ids_apart(self, store: Store) -> None:
        sites = [await put_site(store), await put_site(store, Planned(name="other"))]
        received = await store.receive([arrival(site) for site in sites], NOW)
        assert [taken.fate for taken in received] == ["accepted", "accepted"]

    async def test_the_same_id_with_another_body_is_a_conflict(self, store: Store) -> None:
        site = await put_site(store)
        other = replace(arrival(site), digest="d2")
        first = await one(store, arrival(site))
        again, taken = await one(store, other), await one(store, other)
        assert (taken.fate, taken.event, taken.event_id) == ("conflict", None, first.event_id)
        assert again == taken
        (kept,) = await store.deliveries(DeliveryFilter(fate=Fate.CONFLICT))
        assert (kept.id, kept.digest, kept.delivery_id) == (taken.number, "d2", "one")
        assert len(await events_of(store, site)) == 1

    async def test_a_conflict_is_seen_among_those_that_come_together(self, store: Store) -> None:
        site = await put_site(store)
        other = replace(arrival(site), digest="d2")
        received = await store.receive([arrival(site), other, other], NOW)
        assert [taken.fate for taken in received] == ["accepted", "conflict", "conflict"]
        assert received[1].number == received[2].number

    async def test_the_same_content_is_one_event_for_a_while(self, store: Store) -> None:
        site = await put_site(store)
        first, again = await store.receive([by_content(site)] * 2, NOW)
        later = await one(store, by_content(site), NOW + MINUTE - 1)
        assert {first.event_id} == {again.event_id, later.event_id}
        assert (again.fate, later.fate) == ("duplicate", "duplicate")
        over = await one(store, by_content(site), NOW + MINUTE)
        assert (over.fate, over.event_id != first.event_id) == ("accepted", True)

    async def test_the_same_content_under_another_id_keeps_that_id(self, store: Store) -> None:
        site = await put_site(store)
        first = await one(store, by_content(site, delivery_id="one"))
        second = await one(store, by_content(site, delivery_id="two"))
        assert (second.fate, second.event_id) == ("duplicate", first.event_id)
        much_later = await one(store, by_content(site, delivery_id="two"), NOW + DAY)
        assert (much_later.fate, much_later.event_id) == ("duplicate", first.event_id)
        assert len(await events_of(store, site)) == 1

    async def test_what_is_ignored_is_kept_and_is_no_event(self, store: Store) -> None:
        site = await put_site(store)
        taken = await one(store, ignored(site))
        assert (taken.fate, taken.event, taken.reason) == ("ignored", None, "a pull")
        assert (await store.delivery(taken.number)).reason == "a pull"
        assert await events_of(store, site) == []

    async def test_what_was_no_event_may_become_one_and_says_what_it_was(
        self, store: Store
    ) -> None:
        site = await put_site(store)
        first = await one(store, ignored(site))
        same = await one(store, ignored(site), NOW + 1)
        assert (same.number, same.fate) == (first.number, "ignored")
        assert await store.decisions(first.number, None) == []
        now_one = await one(store, arrival(site), NOW + SECOND)
        assert (now_one.number, now_one.fate) == (first.number, "accepted")
        assert now_one.event is not None
        row = await store.delivery(first.number)
        assert (row.fate, row.event_id, row.reason) == ("accepted", now_one.event.id, "")
        assert (row.received_at, row.decided_at) == (NOW, NOW + SECOND)
        (before,) = await store.decisions(first.number, row.event_id)
        assert (before.fate, before.reason, before.decided_at) == ("ignored", "a pull", NOW)
        again = await one(store, arrival(site), NOW + MINUTE)
        assert (again.fate, again.event_id) == ("duplicate", row.event_id)

    async def test_an_event_that_queued_no_run_is_decided_anew(self, store: Store) -> None:
        site = await put_site(store)
        event = (await one(store, arrival(site))).event
        assert event is not None
        assert not (await one(store, arrival(site))).undeployed  # it is not decided yet
        await store.fan_out(await refusing(store, site, event), NOW)
        again = await one(store, arrival(site))
        assert (again.event_id, again.undeployed) == (event.id, True)
        opened = await store.reopen(event.id, {"changes": []}, NOW + SECOND)
        assert opened is not None
        assert (opened.id, opened.fanned_at, opened.facts) == (event.id, None, {"changes": []})
        assert await store.results([event.id]) == {event.id: []}
        await fan_out(store, site, opened)
        assert len(await runs_of(store, event)) == 1
        (before,) = await store.decisions(again.number, event.id)
        assert (before.decided_at, before.fate) == (NOW, "accepted")
        assert before.facts is not None
        assert '"main"' in before.facts
        (result,) = before.results
        assert (result.outcome, result.reason) == (
            Outcome.NOT_MATCHED,
            "branch is 'dev', not 'main'",
        )

    async def test_an_event_that_queued_a_run_is_not_opened_again(self, store: Store) -> None:
        site = await put_site(store)
        event = (await one(store, arrival(site))).event
        assert event is not None
        assert await store.reopen(event.id, {}, NOW) is None  # not decided yet
        await fan_out(store, site, event)
        assert not (await one(store, arrival(site))).undeployed
        assert await store.reopen(event.id, {}, NOW) is None

    async def test_two_that_open_the_same_event_keep_one_decision(self, store: Store) -> None:
        site = await put_site(store)
        taken = await one(store, arrival(site))
        assert taken.event is not None
        await store.fan_out(await refusing(store, site, taken.event), NOW)
        opened = await asyncio.gather(
            *(store.reopen(taken.event.id, {}, NOW + SECOND) for _ in range(3))
        )
        assert sum(event is not None for event in opened) == 1
        assert len(await store.decisions(taken.number, taken.event.id)) == 1

    async def test_a_restart_knows_what_came_before(self, bench: Bench) -> None:
        async with bench.open() as store:
            site = await put_site(store)
            first = await one(store, arrival(site))
        async with bench.open() as store:
            again = await one(store, arrival(site))
            other = await one(store, arrival(site, "two"))
            assert (again.fate, again.event_id) == ("duplicate", first.event_id)
            assert other.number > first.number

    async def test_deliveries_are_found_newest_first_in_pages(self, store: Store) -> None:
        site = await put_site(store)
        await one(store, replace(arrival(site), trigger_id=TriggerId(site.trigger.id + 1)))
        numbers = [(await one(store, arrival(site, f"n{n}"))).number for n in range(5)]
        wanted = DeliveryFilter(trigger_id=site.trigger.id, limit=3)
        page = await store.deliveries(wanted)
        rest = await store.deliveries(replace(wanted, before=page[-1].id))
        assert [row.id for row in (*page, *rest)] == numbers[::-1]
        assert await store.deliveries(DeliveryFilter(fate=Fate.DISABLED)) == []
        seen = await store.deliveries(DeliveryFilter(among=frozenset({site.trigger.name})))
        assert len(seen) == 5
        assert await store.deliveries(DeliveryFilter(among=frozenset())) == []

    async def test_a_delivery_that_is_not_there_is_not_found(self, store: Store) -> None:
        unknown = DeliveryId(Ids().next(NOW))
        await refused(store.delivery(unknown), NotFound)
        assert await store.brought([unknown]) == {}

    async def test_bodies_go_before_the_deliveries_that_they_came_with(self, store: Store) -> None:
        site = await put_site(store)
        old = await one(store, arrival(site, "old"))
        new = await one(store, arrival(site, "new"), NOW + DAY)
        swept = await store.sweep_history(replace(KEPT, bodies=DAY), NOW + DAY + SECOND)
        assert (swept.body_bytes, swept.deliveries) == (len(PACKED), 0)
        assert list(await store.brought([old.number, new.number])) == [new.number]
        assert len(await store.deliveries(DeliveryFilter())) == 2

    async def test_the_oldest_bodies_go_where_all_take_too_much(self, store: Store) -> None:
        site = await put_site(store)
        taken = [await one(store, arrival(site, f"n{n}")) for n in range(4)]
        most = replace(KEPT, body_bytes=2 * len(PACKED) + 1)
        swept = await store.sweep_history(most, NOW + SECOND)
        assert swept.body_bytes == 2 * len(PACKED)
        left = await store.brought([one.number for one in taken])
        assert sorted(left) == [one.number for one in taken[2:]]

    async def test_ids_are_known_for_seven_days_however_little_is_kept(self, store: Store) -> None:
        site = await put_site(store)
        little = replace(KEPT, history=DAY, bodies=0)
        no_event = await one(store, ignored(site))
        await store.sweep_history(little, NOW + 7 * DAY)
        assert (await one(store, ignored(site))).number == no_event.number
        swept = await store.sweep_history(little, NOW + 7 * DAY + SECOND)
        assert swept.deliveries == 1
        await refused(store.delivery(no_event.number), NotFound)

    async def test_a_delivery_is_kept_as_long_as_its_event(self, store: Store) -> None:
        site = await put_site(store)
        taken = await one(store, arrival(site))
        assert taken.event is not None
        await fan_out(store, site, taken.event)
        await store.sweep_history(replace(KEPT, history=DAY), NOW + 30 * DAY)
        assert (await one(store, arrival(site), NOW + 30 * DAY)).event_id == taken.event.id

    async def test_a_run_knows_which_change_it_deploys_and_why(self, store: Store) -> None:
        site = await put_site(store)
        event = (await one(store, arrival(site))).event
        assert event is not None
        why = "push main matched (change 1 of 2)"
        batch = FanOutBatch(
            generation=await store.generation(),
            events=[event.id],
            matched=[
                Matched(event.id, binding.id, binding.workload_id, "latest", False, NOW, why, 0)
                for binding in site.bindings
            ],
            unmatched=(),
            told=True,
        )
        done = await store.fan_out(batch, NOW)
        (run,) = await runs_of(store, event)
        assert done.by_event == {event.id: list(done.results)}
        assert (await store.results([event.id])) == done.by_event
        assert done.results[0].reason == why
        assert await store.changes_of([run.id]) == {run.id: 0}
