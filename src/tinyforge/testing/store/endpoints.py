"""Endpoints: found by the digest of their id, kept with the trigger that they belong to."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tinyforge.clock import MINUTE, SECOND
from tinyforge.errors import Conflict
from tinyforge.store.endpoints import drafted
from tinyforge.store.port import (
    ConfigChange,
    EndpointRow,
    EndpointUse,
    EndpointWrite,
    Store,
    TriggerWrite,
    path_digest,
)
from tinyforge.testing.store.refused import refused
from tinyforge.testing.store.site import NOW, Planned, Site, put_site

PATH, OTHER = "a" * 22, "b" * 22


class EndpointsContract:
    async def test_an_endpoint_is_found_by_the_digest_of_its_id(self, store: Store) -> None:
        site = await _site(store)
        row = endpoint(site)
        await _put(store, row)
        found = await store.endpoint_at(path_digest(PATH))
        assert found is not None
        assert found.row == row
        assert found.trigger == (await store.trigger_named("site"))[0]
        assert await _of(store, site) == row
        assert await store.endpoint_at(path_digest(OTHER)) is None

    async def test_what_is_sealed_comes_back_byte_for_byte(self, store: Store) -> None:
        site = await _site(store)
        every_byte = bytes(range(256))
        row = replace(endpoint(site), path=None, sealed=every_byte, unsigned=True)
        await _put(store, row)
        assert await _of(store, site) == row

    async def test_the_catalog_has_the_endpoints(self, store: Store) -> None:
        site, other = await _site(store), await _site(store, "other")
        rows = [endpoint(site), endpoint(other, OTHER)]
        await _put(store, *rows)
        assert sorted((await store.catalog()).endpoints, key=lambda row: row.trigger_id) == rows

    async def test_a_new_endpoint_is_a_new_config(self, store: Store) -> None:
        site = await _site(store)
        before = await store.generation()
        await _put(store, endpoint(site))
        assert await store.generation() > before

    async def test_an_id_that_another_has_is_refused_whole(self, store: Store) -> None:
        site, other = await _site(store), await _site(store, "other")
        await _put(store, endpoint(site))
        await refused(_put(store, endpoint(other)), Conflict)
        found = await store.endpoint_at(path_digest(PATH))
        assert found is not None
        assert found.trigger.name == "site"
        assert await _of(store, other) is None

    async def test_two_triggers_can_change_their_ids_with_each_other(self, store: Store) -> None:
        site, other = await _site(store), await _site(store, "other")
        await _put(store, endpoint(site), endpoint(other, OTHER))
        await _put(store, endpoint(site, OTHER), endpoint(other))
        found = await store.endpoint_at(path_digest(PATH))
        assert found is not None
        assert found.trigger.name == "other"

    async def test_an_endpoint_ends_with_its_trigger(self, store: Store) -> None:
        site = await _site(store)
        await _put(store, endpoint(site))
        gone = TriggerWrite(row=site.trigger, text=None, deleted=True)
        await store.change(ConfigChange(author="test", triggers=[gone]), NOW + MINUTE)
        assert await store.endpoint_at(path_digest(PATH)) is None
        assert await _of(store, site) is None

    async def test_an_endpoint_can_end_before_its_trigger(self, store: Store) -> None:
        site = await _site(store)
        await _put(store, endpoint(site))
        ends = EndpointWrite(trigger_id=site.trigger.id, row=None)
        await store.change(ConfigChange(author="test", endpoints=[ends]), NOW + MINUTE)
        assert await store.endpoint_at(path_digest(PATH)) is None

    async def test_the_newest_use_is_kept(self, store: Store) -> None:
        site = await _site(store)
        await _put(store, endpoint(site))
        await _note(store, first_used_at=NOW, refused_at=NOW, refused_size=7)
        await _note(store, second_used_at=NOW + SECOND)
        row = await _of(store, site)
        assert row is not None
        assert row.used == (NOW, NOW + SECOND)
        assert (row.refused_at, row.refused_size) == (NOW, 7)

    async def test_a_use_of_another_revision_is_not_kept(self, store: Store) -> None:
        site = await _site(store)
        await _put(store, endpoint(site))
        before = (await store.trigger_named("site"))[0]
        edited = TriggerWrite(row=before, text='{"secret":["new","old"]}')
        await store.change(ConfigChange(author="test", triggers=[edited]), NOW + MINUTE)
        use = EndpointUse(before.id, before.revision_id, NOW, None, None, None)
        await store.note_endpoint_uses([use])
        row = await _of(store, site)
        assert row is not None
        assert row.used == (None, None)


def endpoint(site: Site, path: str = PATH) -> EndpointRow:
    draft = drafted(site.trigger.id, path, unsigned=False, generated=True)
    return replace(draft.row, made_at=NOW)


async def _site(store: Store, name: str = "site") -> Site:
    return await put_site(store, Planned(name=name, kind="github"))


async def _of(store: Store, site: Site) -> EndpointRow | None:
    found = await store.endpoints_of([site.trigger.id])
    return found.get(site.trigger.id)


async def _put(store: Store, *rows: EndpointRow) -> None:
    writes: Sequence[EndpointWrite] = [
        EndpointWrite(trigger_id=row.trigger_id, row=row) for row in rows
    ]
    await store.change(ConfigChange(author="test", endpoints=writes), NOW + MINUTE)


async def _note(
    store: Store,
    *,
    first_used_at: int | None = None,
    second_used_at: int | None = None,
    refused_at: int | None = None,
    refused_size: int | None = None,
) -> None:
    trigger = (await store.trigger_named("site"))[0]
    used = (first_used_at, second_used_at, refused_at, refused_size)
    await store.note_endpoint_uses([EndpointUse(trigger.id, trigger.revision_id, *used)])
