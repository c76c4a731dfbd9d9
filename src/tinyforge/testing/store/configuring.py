"""Config: changed whole or not at all, every version kept."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tinyforge.clock import MINUTE
from tinyforge.errors import Conflict, NotFound
from tinyforge.model import Queue, Retry, Trigger, TriggerId, Workload, WorkloadId
from tinyforge.store.port import (
    BindingWrite,
    BrokenMark,
    ConfigChange,
    Inspected,
    Store,
    TriggerWrite,
    WorkloadWrite,
)
from tinyforge.testing.store.refused import refused
from tinyforge.testing.store.site import NOW, Planned, Site, fire, put_site, runs_of


class ConfiguringContract:
    async def test_rows_come_back_as_they_were_written(self, store: Store) -> None:
        workload = Workload(
            id=WorkloadId(store.new_id(NOW)),
            name="site",
            kind="http",
            config={"url": "https://example.org/ä", "expect": [200]},
            queue=Queue.EVERY,
            timeout=90_000_000,
            retry=Retry(attempts=3, backoff=5_000_000),
            idempotent=False,
            managed_by="manifest:default",
        )
        await _write(store, workloads=[WorkloadWrite(row=workload, text="{}")])
        found = await store.workload_named("site")
        assert replace(found, revision_id=None) == workload
        assert (await store.workloads_by_id([workload.id]))[workload.id] == found

    async def test_the_catalog_is_all_config_at_one_moment(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=2))
        catalog = await store.catalog()
        assert catalog.generation == await store.generation()
        assert [row.id for row in catalog.triggers] == [site.trigger.id]
        assert [row.id for row in catalog.workloads] == [row.id for row in site.workloads]
        assert [row.id for row in catalog.bindings] == [row.id for row in site.bindings]
        assert await store.bindings_of(site.trigger.id) == list(catalog.bindings)

    async def test_the_generation_grows_with_each_change(self, store: Store) -> None:
        before = await store.generation()
        await put_site(store)
        between = await store.generation()
        await put_site(store, Planned(name="other"))
        assert before < between < await store.generation()

    async def test_a_generation_that_is_known_is_the_one_in_force(self, store: Store) -> None:
        for name in ("site", "other"):
            await put_site(store, Planned(name=name))
            assert store.known_generation() in {None, await store.generation()}
            assert store.known_generation() in {None, await store.generation()}

    async def test_a_change_of_an_old_generation_is_refused_whole(self, store: Store) -> None:
        site = await put_site(store)
        old = await store.generation()
        await put_site(store, Planned(name="other"))
        gone = TriggerWrite(row=site.trigger, text=None, deleted=True)
        await refused(_write(store, triggers=[gone], generation=old), Conflict)
        assert (await store.trigger_named("site"))[0].id == site.trigger.id

    async def test_a_taken_name_is_refused_and_nothing_is_stored(self, store: Store) -> None:
        await put_site(store)
        twin = Trigger(id=TriggerId(store.new_id(NOW)), name="site", kind="manual", config={})
        other = Workload(id=WorkloadId(store.new_id(NOW)), name="other", kind="http", config={})
        change = _write(
            store,
            triggers=[TriggerWrite(row=twin, text="{}")],
            workloads=[WorkloadWrite(row=other, text="{}")],
        )
        await refused(change, Conflict)
        await refused(store.workload_named("other"), NotFound)

    async def test_a_deleted_name_is_free_in_the_same_change(self, store: Store) -> None:
        site = await put_site(store)
        after = Trigger(id=TriggerId(store.new_id(NOW)), name="site", kind="manual", config={})
        writes = [
            TriggerWrite(row=after, text="{}"),
            TriggerWrite(row=site.trigger, text=None, deleted=True),
        ]
        await _write(store, triggers=writes)
        assert (await store.trigger_named("site"))[0].id == after.id

    async def test_what_is_deleted_keeps_its_history(self, store: Store) -> None:
        site = await put_site(store)
        event, _ = await fire(store, site)
        await _delete(store, site)
        assert len(await runs_of(store, event)) == 1
        assert await store.names("trigger", [site.trigger.id]) == {site.trigger.id: "site"}
        assert (await store.catalog()).triggers == []
        assert await store.bindings_of(site.trigger.id) == []

    async def test_each_version_is_kept_until_the_next(self, store: Store) -> None:
        site = await put_site(store)
        after = replace(site.trigger, config={"a": 1})
        await _write(store, triggers=[TriggerWrite(row=after, text='{"a":1}')])
        await _write(store, triggers=[TriggerWrite(row=after, text=None, deleted=True)])
        first, second = await store.revisions("trigger", site.trigger.id)
        assert (first.text, first.since, first.until) == ("{}", NOW, NOW + MINUTE)
        assert (second.text, second.since, second.until) == ('{"a":1}', NOW + MINUTE, NOW + MINUTE)
        assert (second.author, second.what) == ("test", "trigger")
        assert second.zone_data

    async def test_the_same_config_makes_no_new_version(self, store: Store) -> None:
        site = await put_site(store)
        (revision,) = await store.revisions("trigger", site.trigger.id)
        kept = (await store.trigger_named("site"))[0]
        await _write(store, triggers=[TriggerWrite(row=kept, text=None)])
        assert await store.revisions("trigger", site.trigger.id) == [revision]
        assert (await store.trigger_named("site"))[0].revision_id == revision.id

    async def test_rows_of_two_nouns_with_one_id_have_versions_of_their_own(
        self, store: Store
    ) -> None:
        site = await put_site(store)
        number = site.trigger.id
        workload = Workload(id=WorkloadId(number), name="by-hand", kind="http", config={})
        await _write(store, workloads=[WorkloadWrite(row=workload, text='{"kind":"http"}')])
        (of_trigger,) = await store.revisions("trigger", number)
        (of_workload,) = await store.revisions("workload", number)
        assert (of_trigger.text, of_trigger.until) == ("{}", None)
        assert (of_workload.text, of_workload.until) == ('{"kind":"http"}', None)

    async def test_a_broken_row_says_why_until_it_is_mended(self, store: Store) -> None:
        site = await put_site(store)
        await _write(store, broken=[BrokenMark("trigger", site.trigger.id, "interval: is 5 s")])
        assert (await store.trigger_named("site"))[0].broken == "interval: is 5 s"
        assert (await store.counts()).broken == {"trigger": 1}
        await _write(store, broken=[BrokenMark("trigger", site.trigger.id, None)])
        assert (await store.trigger_named("site"))[0].broken is None
        assert (await store.counts()).broken == {}

    async def test_broken_rows_queue_nothing_and_say_why(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=2))
        broken = [
            BrokenMark("binding", site.bindings[0].id, "rule: is 5"),
            BrokenMark("workload", site.workloads[1].id, "config: is NULL"),
        ]
        await _write(store, broken=broken)
        routes = await store.routes([site.trigger.id])
        assert [route.broken for route in routes.rows] == ["rule: is 5", "config: is NULL"]
        assert routes.generation == await store.generation()

    async def test_routes_follow_the_bindings_of_the_moment(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=2))
        off = replace(site.bindings[0], enabled=False, rule={"branch": "main"})
        await _write(store, bindings=[BindingWrite(row=off, text="{}")])
        first, second = (await store.routes([site.trigger.id])).rows
        assert (first.enabled, first.rule) == (0, '{"branch":"main"}')
        assert (second.enabled, second.rule) == (1, None)
        assert (second.workload_id, second.queue) == (site.workloads[1].id, "latest")

    async def test_a_trigger_without_bindings_has_an_empty_route(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=0))
        (route,) = (await store.routes([site.trigger.id])).rows
        assert (route.trigger, route.binding_id, route.is_schedule) == ("site", None, 0)

    async def test_a_workload_that_is_gone_says_so(self, store: Store) -> None:
        site = await put_site(store)
        await _write(store, workloads=[_deleted(site.workloads[0])])
        (route,) = (await store.routes([site.trigger.id])).rows
        assert route.broken == "its workload is gone"

    async def test_a_name_that_is_not_there_is_answered_with_the_nearest(
        self, store: Store
    ) -> None:
        await put_site(store)
        problem = await refused(store.trigger_named("sit"), NotFound)
        assert "did you mean 'site'" in str(problem)
        await refused(store.workload_named("site"), NotFound)

    async def test_triggers_are_found_by_their_kind(self, store: Store) -> None:
        await put_site(store, Planned(name="one", kind="run"))
        await put_site(store, Planned(name="two", kind="manual"))
        found = await store.triggers_of_kinds(["run", "other"])
        assert [row.name for row in found] == ["one"]

    async def test_rows_are_inspected_in_the_order_asked_for(self, store: Store) -> None:
        site = await put_site(store, Planned(workloads=2))
        wanted = [site.workloads[1].id, 7, site.workloads[0].id]
        found = await store.inspect("workload", wanted)
        assert [one.row.id if one.row else None for one in found] == [wanted[0], None, wanted[2]]
        assert [one.deleted for one in found] == [False, True, False]
        await _write(store, workloads=[_deleted(site.workloads[1])])
        (gone,) = await store.inspect("workload", [site.workloads[1].id])
        assert isinstance(gone, Inspected)
        assert gone.deleted

    async def test_ids_only_grow(self, store: Store) -> None:
        ids = [*store.new_ids(3, NOW), store.new_id(NOW - MINUTE), *store.new_ids(2, NOW)]
        assert ids == sorted(set(ids))

    async def test_triggers_are_labelled_with_name_and_kind(self, store: Store) -> None:
        site = await put_site(store)
        labels = await store.trigger_labels([site.trigger.id, TriggerId(7)])
        assert labels == {site.trigger.id: ("site", "manual")}


async def _write(  # noqa: PLR0913 - the fields of one change
    store: Store,
    *,
    triggers: Sequence[TriggerWrite] = (),
    workloads: Sequence[WorkloadWrite] = (),
    bindings: Sequence[BindingWrite] = (),
    broken: Sequence[BrokenMark] = (),
    generation: int | None = None,
) -> None:
    change = ConfigChange(
        author="test",
        generation=generation,
        triggers=triggers,
        workloads=workloads,
        bindings=bindings,
        broken=broken,
    )
    await store.change(change, NOW + MINUTE)


def _deleted(row: Workload) -> WorkloadWrite:
    return WorkloadWrite(row=row, text=None, deleted=True)


async def _delete(store: Store, site: Site) -> None:
    await _write(
        store,
        triggers=[TriggerWrite(row=site.trigger, text=None, deleted=True)],
        workloads=[_deleted(row) for row in site.workloads],
        bindings=[BindingWrite(row=row, text=None, deleted=True) for row in site.bindings],
    )
