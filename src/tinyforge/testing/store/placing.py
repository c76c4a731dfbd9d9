"""Places: a server is given what it carries the labels for and knows the kind of."""

from __future__ import annotations

from msgspec.structs import replace

from tinyforge.labels import Labels
from tinyforge.model import RunState, Workload
from tinyforge.store.port import Abilities, ConfigChange, Store, WorkloadWrite
from tinyforge.testing.store.site import (
    NOW,
    Bench,
    Planned,
    fire,
    only_run,
    put_site,
    states_of,
    take,
)

WEB1 = Abilities(
    labels=("disk=ssd", "host=web1"),
    trigger_kinds=frozenset({"manual", "schedule"}),
    workload_kinds=frozenset({"command"}),
)
HERE, AWAY = Planned(on=("host=web1",)), Planned(on=("host=web2",))


class PlacingContract:
    async def test_a_run_is_taken_where_all_it_asks_for_is_carried(self, bench: Bench) -> None:
        async with bench.open(WEB1) as store:
            event, _ = await fire(store, await put_site(store, Planned(on=WEB1.labels)))
            assert [run.event_id for run in await take(store)] == [event.id]

    async def test_a_run_waits_where_one_of_several_labels_is_not_carried(
        self, bench: Bench
    ) -> None:
        async with bench.open(WEB1) as store:
            asked = ("host=web1", "zone=a")
            event, _ = await fire(store, await put_site(store, Planned(on=asked)))
            assert await take(store) == []
            assert await states_of(store, event) == [RunState.QUEUED]

    async def test_a_server_without_labels_is_no_place_that_is_asked_for(
        self, bench: Bench
    ) -> None:
        async with bench.open(Abilities()) as store:
            await fire(store, await put_site(store, HERE))
            assert await take(store) == []

    async def test_a_run_that_is_not_for_us_is_not_born_running(self, bench: Bench) -> None:
        async with bench.open(WEB1) as store:
            event, done = await fire(store, await put_site(store, AWAY), may_begin=1)
            assert (done.runs, list(done.taken)) == (1, [])
            assert await states_of(store, event) == [RunState.QUEUED]

    async def test_runs_for_others_hold_up_nobody(self, bench: Bench) -> None:
        async with bench.open(WEB1) as store:
            await fire(store, await put_site(store, replace(AWAY, name="away", workloads=5)))
            event, _ = await fire(store, await put_site(store, replace(HERE, name="here")))
            assert [run.event_id for run in await take(store, free=1)] == [event.id]
            assert not store.has_ready(NOW)

    async def test_runs_that_no_server_may_take_are_counted(self, bench: Bench) -> None:
        async with bench.open(WEB1) as store:
            await fire(store, await put_site(store, replace(AWAY, name="away", workloads=3)))
            await fire(store, await put_site(store, replace(HERE, name="here")))
            await take(store)
            counts = await store.counts()
            assert (counts.unplaced, counts.oldest_ready) == (3, NOW)

    async def test_a_run_of_a_kind_that_is_not_known_here_waits(self, bench: Bench) -> None:
        async with bench.open(replace(WEB1, workload_kinds=frozenset({"http"}))) as store:
            event, _ = await fire(store, await put_site(store))
            assert await take(store) == []
            assert await states_of(store, event) == [RunState.QUEUED]

    async def test_an_edit_frees_the_runs_that_wait(self, bench: Bench) -> None:
        async with bench.open(WEB1) as store:
            site = await put_site(store, AWAY)
            event, _ = await fire(store, site)
            assert await take(store) == []
            await _ask_for(store, site.workloads[0], ("host=web1",))
            assert [run.event_id for run in await take(store)] == [event.id]

    async def test_an_edit_keeps_the_runs_that_wait_from_here(self, bench: Bench) -> None:
        async with bench.open(WEB1) as store:
            site = await put_site(store)
            await fire(store, site)
            await _ask_for(store, site.workloads[0], ("host=web2",))
            assert await take(store) == []

    async def test_a_place_that_a_hand_wrote_counts_once_it_is_planned(self, bench: Bench) -> None:
        async with bench.open(WEB1) as store:
            site = await put_site(store)
            await fire(store, site)
            number = site.workloads[0].id
            await bench.by_hand(_placed(number, "host=web2"))
            planned = await store.unplanned(9)
            await store.change(ConfigChange(author="hand", planned=planned), NOW)
            assert await take(store) == []

    async def test_a_run_waits_for_its_place_over_a_start(self, bench: Bench) -> None:
        async with bench.open(WEB1) as store:
            event, _ = await fire(store, await put_site(store, AWAY))
        async with bench.open(WEB1) as store:
            assert await take(store) == []
        async with bench.open(replace(WEB1, labels=("host=web2",))) as store:
            (taken,) = await take(store)
            assert taken.run_id == (await only_run(store, event)).id

    async def test_what_a_workload_asks_for_is_kept(self, store: Store) -> None:
        (workload,) = (await put_site(store, Planned(on=WEB1.labels))).workloads
        assert (await store.workloads_by_id([workload.id]))[workload.id].on == WEB1.labels
        assert (await store.workload_named(workload.name)).on == WEB1.labels
        (found,) = (await store.catalog()).workloads
        assert found.on == WEB1.labels

    async def test_a_place_that_makes_no_sense_is_said(self, store: Store, bench: Bench) -> None:
        (workload,) = (await put_site(store)).workloads
        await bench.by_hand(_placed(workload.id, "web2"))
        (found,) = await store.inspect("workload", [workload.id])
        assert found.problems == ["place: 'web2' is no label; write KEY=VALUE such as host=web1"]

    async def test_a_server_says_what_it_may_be_given(self, bench: Bench) -> None:
        async with bench.open(WEB1) as store:
            (replica,) = await store.replicas()
            assert (replica.number, replica.instance) == (0, store.instance)
            assert (replica.version, replica.abilities) == ("1.0", WEB1)

    async def test_a_server_alone_leaves_nothing_to_others(self, bench: Bench) -> None:
        async with bench.open(WEB1) as store:
            assert store.elsewhere == (frozenset(), frozenset())

    async def test_what_a_database_suffers_from_can_be_asked(self, store: Store) -> None:
        strain = await store.strain()
        assert all(count >= 0 for rows in strain.rows.values() for count in rows)


async def _ask_for(store: Store, workload: Workload, on: Labels) -> None:
    write = WorkloadWrite(row=replace(workload, on=on), text="{}")
    await store.change(ConfigChange(author="test", workloads=[write]), NOW)


def _placed(number: int, place: str) -> str:
    return f"UPDATE workloads SET place = '{place}' WHERE id = {number}"  # noqa: S608 - our own values
