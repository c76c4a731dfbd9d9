"""What is stored sealed: put with the config that names it, sealed anew only as it was read."""

from __future__ import annotations

from collections.abc import Sequence

from tinyforge.errors import Refused
from tinyforge.model import TriggerId
from tinyforge.store.port import (
    ConfigChange,
    Disused,
    EndpointRow,
    EndpointWrite,
    Owner,
    Resealed,
    SealedCell,
    Secrecy,
    SecretRow,
    Store,
    endpoint_context,
    path_digest,
    secret_context,
)
from tinyforge.testing.store.refused import refused
from tinyforge.testing.store.site import NOW, Bench, put_site

FIRST, SECOND = "0011223344556677", "8899aabbccddeeff"  # ids of keys


class SealingContract:
    async def test_secrets_come_back_as_they_were_stored(self, store: Store) -> None:
        rows = [_secret(store, owner) for owner in ("push", "käse", "image")]
        await _change(store, secrets=rows)
        assert await store.secrets(0, 10) == rows
        assert await store.secrets(rows[0].id, 1) == rows[1:2]
        assert rows[0].context == secret_context(rows[0].id, "trigger", "push", "secret")

    async def test_a_secret_goes_with_the_row_that_has_it_and_with_no_other(
        self, store: Store
    ) -> None:
        one, other, third = (_secret(store, owner) for owner in ("push", "image", "third"))
        await _change(store, secrets=[one, other, third])
        gone = [Disused(one.id, "trigger", "push"), Disused(other.id, "trigger", "push")]
        await _change(store, disused=[*gone, Disused(third.id, "workload", "third")])
        assert await store.secrets(0, 10) == [other, third]

    async def test_a_change_that_is_refused_seals_nothing(self, store: Store) -> None:
        generation = await store.generation()
        await put_site(store)
        row = _secret(store, "push")
        change = ConfigChange(
            author="test", generation=generation, secrecy=Secrecy(keys=[FIRST], secrets=[row])
        )
        await refused(store.change(change, NOW), Exception)
        assert await store.secrets(0, 10) == []
        assert await store.fact("key_id") is None

    async def test_the_first_key_that_seals_is_the_databases(self, store: Store) -> None:
        await _change(store, keys=[FIRST], secrets=[_secret(store, "push")])
        assert await store.fact("key_id") == FIRST
        await _change(store, keys=[SECOND, FIRST], secrets=[_secret(store, "image")])
        assert await store.fact("key_id") == FIRST
        await refused(_change(store, keys=[SECOND], secrets=[_secret(store, "b")]), Refused)
        assert len(await store.secrets(0, 10)) == 2

    async def test_where_nothing_is_sealed_any_more_another_key_may_begin(
        self, store: Store
    ) -> None:
        row = _secret(store, "push")
        await _change(store, keys=[FIRST], secrets=[row])
        await _change(store, disused=[Disused(row.id, "trigger", "push")])
        await _change(store, keys=[SECOND], secrets=[_secret(store, "push", SECOND)])
        assert await store.fact("key_id") == SECOND

    async def test_an_endpoint_may_be_the_first_that_another_key_seals(self, store: Store) -> None:
        row = _secret(store, "push")
        await _change(store, keys=[FIRST], secrets=[row])
        await _change(store, disused=[Disused(row.id, "trigger", "push")])
        await _put_endpoint(store, SECOND, keys=[SECOND])
        assert await store.fact("key_id") == SECOND

    async def test_it_is_told_which_keys_are_wanted(self, bench: Bench, store: Store) -> None:
        assert await store.keys_wanted() == frozenset()
        await _change(store, secrets=[_secret(store, "a"), _secret(store, "b")])
        await _put_endpoint(store, SECOND)
        assert await store.keys_wanted() == {FIRST, SECOND}
        await bench.by_hand("UPDATE secrets SET sealed = substr(sealed, 1, 20)")
        assert await store.keys_wanted() == {SECOND}, "what is none of ours wants none"

    async def test_what_is_sealed_is_told_with_what_it_was_sealed_for(self, store: Store) -> None:
        row = _secret(store, "push")
        await _change(store, secrets=[row])
        trigger_id = await _put_endpoint(store, SECOND)
        assert await store.sealed_cells("secrets", 0, 10) == [
            SealedCell("secrets", row.id, row.context, row.sealed)
        ]
        assert await store.sealed_cells("secrets", row.id, 10) == []
        assert await store.sealed_cells("endpoints", 0, 10) == [
            SealedCell("endpoints", trigger_id, endpoint_context(trigger_id), _sealed(SECOND))
        ]
        assert await store.sealed_cells("endpoints", trigger_id, 10) == []

    async def test_only_what_is_still_there_is_sealed_anew(self, store: Store) -> None:
        one, other = _secret(store, "push"), _secret(store, "image")
        await _change(store, secrets=[one, other])
        trigger_id = await _put_endpoint(store, FIRST)
        anew = _sealed(SECOND)
        await store.reseal(
            [
                Resealed("secrets", one.id, one.sealed, anew),
                Resealed("secrets", other.id, b"something else", anew),
                Resealed("endpoints", trigger_id, _sealed(FIRST), anew),
            ]
        )
        assert [row.sealed for row in await store.secrets(0, 10)] == [anew, other.sealed]
        (cell,) = await store.sealed_cells("endpoints", 0, 10)
        assert cell.sealed == anew


def _sealed(key_id: str) -> bytes:
    return b"\1" + bytes.fromhex(key_id) + bytes(range(40))


def _secret(store: Store, owner: str, key_id: str = FIRST, what: Owner = "trigger") -> SecretRow:
    return SecretRow(
        id=store.new_id(NOW),
        what=what,
        owner=owner,
        field="secret",
        sealed=_sealed(key_id),
        made_at=NOW,
    )


async def _change(
    store: Store,
    *,
    keys: list[str] | None = None,
    secrets: list[SecretRow] | None = None,
    disused: list[Disused] | None = None,
) -> None:
    secrecy = Secrecy(keys=keys or (), secrets=secrets or (), disused=disused or ())
    await store.change(ConfigChange(author="test", secrecy=secrecy), NOW)


async def _put_endpoint(store: Store, key_id: str, keys: Sequence[str] = ()) -> TriggerId:
    site = await put_site(store)
    row = EndpointRow(
        trigger_id=site.trigger.id,
        sha256=path_digest("x" * 43),
        sealed=_sealed(key_id),
        unsigned=True,
        generated=True,
        made_at=NOW,
    )
    write = EndpointWrite(trigger_id=site.trigger.id, row=row)
    secrecy = Secrecy(keys=keys)
    await store.change(ConfigChange(author="test", endpoints=[write], secrecy=secrecy), NOW)
    return site.trigger.id
