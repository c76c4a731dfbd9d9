"""Servers that share a database share what is sealed in it, if they have the same key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tinyforge.clock import SystemClock
from tinyforge.engine.vault import Vault
from tinyforge.errors import KeyMissing, Refused
from tinyforge.sealing import Keyring
from tinyforge.store.port import ConfigChange, EndpointWrite, Secrecy, SecretRow
from tinyforge.store.postgres.house import House
from tinyforge.store.postgres.store import PostgresStore
from tinyforge.testing.store.site import NOW, put_site

PATIENCE = 20.0  # seconds


@asynccontextmanager
async def serving(url: str, key: Path) -> AsyncIterator[Vault]:
    async with PostgresStore.open(url, House(clock=SystemClock(), version="1.0")) as store:
        yield Vault(Keyring(key), store)


async def seal(vault: Vault, store: PostgresStore, plain: str) -> SecretRow:
    row = vault.seal((store.new_id(NOW), "trigger", "push", "secret"), plain, NOW)
    site = await put_site(store)
    secrecy = Secrecy(keys=vault.keys, secrets=[row])
    gone = EndpointWrite(trigger_id=site.trigger.id, row=None)  # for a new generation
    await store.change(ConfigChange(author="test", endpoints=[gone], secrecy=secrecy), NOW)
    return row


async def test_one_server_opens_what_another_has_sealed(url: str, tmp_path: Path) -> None:
    async with serving(url, tmp_path / "key") as one, serving(url, tmp_path / "key") as other:
        assert isinstance(one.store, PostgresStore)
        await other.unlock()
        row = await seal(one, one.store, "a secret")
        async with asyncio.timeout(PATIENCE):
            while other.value(row.name) is None:
                await other.refresh()
                await asyncio.sleep(0)
        assert other.value(row.name) == "a secret"


async def test_row_14_of_security_a_server_with_another_key_seals_nothing_beside_it(
    url: str, tmp_path: Path
) -> None:
    async with serving(url, tmp_path / "key") as one, serving(url, tmp_path / "other") as other:
        assert isinstance(one.store, PostgresStore)
        assert isinstance(other.store, PostgresStore)
        await seal(one, one.store, "a secret")
        row = other.seal((other.store.new_id(NOW), "trigger", "x", "secret"), "another", NOW)
        change = ConfigChange(author="test", secrecy=Secrecy(keys=other.keys, secrets=[row]))
        with pytest.raises(Refused, match=f"sealed with the key {one.keyring.key_id}"):
            await other.store.change(change, NOW)
        with pytest.raises(KeyMissing):
            await other.unlock()
