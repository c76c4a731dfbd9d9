from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
import pytest_asyncio
from msgspec.structs import replace

from tests.engine.arriving import SECRET, at_work, github, push, receive
from tests.engine.disks import read_only
from tests.engine.house import BEGIN, PATIENCE, House, kinds
from tests.operations.house import ME as ADMIN
from tests.postgres import own_schema
from tinyforge.clock import SECOND
from tinyforge.deliveries import Verified
from tinyforge.engine.endpoints import Directory, Endpoint
from tinyforge.engine.inbox import Told
from tinyforge.engine.vault import Vault
from tinyforge.errors import StoreUnavailable
from tinyforge.model import Trigger, TriggerId
from tinyforge.references import sealed_as
from tinyforge.sealing import Keyring
from tinyforge.store.endpoints import drafted
from tinyforge.store.port import ConfigChange, EndpointRow, EndpointWrite, Secrecy, TriggerWrite
from tinyforge.store.postgres.house import House as PostgresHouse
from tinyforge.store.postgres.store import PostgresStore
from tinyforge.testing.clock import MovableClock

GITHUB = {"secret": SECRET}
PATH = "p" * 22
WRONG = "not the secret of anybody"


async def row_of(house: House, trigger: int) -> EndpointRow:
    return (await house.store.endpoints_of([TriggerId(trigger)]))[TriggerId(trigger)]


async def path_of(house: House, trigger: int) -> str:
    path = (await row_of(house, trigger)).path
    assert path is not None
    return path


async def found(house: House, trigger: int) -> Endpoint:
    endpoint = await house.engine.directory.find(await path_of(house, trigger))
    assert endpoint is not None
    return endpoint


async def test_a_trigger_put_in_by_hand_is_given_an_endpoint(house: House) -> None:
    number = house.trigger("push", "github", **GITHUB)
    await house.sweep()
    endpoint = await found(house, number)
    assert (endpoint.trigger.name, endpoint.enabled, endpoint.unsigned) == ("push", True, False)
    assert endpoint.max_body == 25 << 20
    assert (await row_of(house, number)).made_at == house.clock.now()


async def test_that_of_a_sender_that_signs_nothing_stands_nowhere(house: House) -> None:
    number = house.trigger("hub", "dockerhub")
    await house.sweep()
    row = await row_of(house, number)
    assert (row.path, row.unsigned) == (None, True)
    assert row.sealed is not None
    sealed_for = (await house.doors.triggers.show("hub", ADMIN)).trigger.id
    opened = house.engine.vault.keyring.open(row.sealed, f"endpoints/{sealed_for}").decode()
    assert len(opened) == 43
    assert hashlib.sha256(opened.encode()).digest() == row.sha256
    endpoint = await house.engine.directory.find(opened)
    assert endpoint is not None
    assert endpoint.unsigned
    everything = house.read("SELECT quote(path_sha256), path, quote(sealed) FROM endpoints")
    assert opened not in str(everything)
    assert opened.encode().hex() not in str(everything).lower()


async def test_a_secret_endpoint_put_in_by_hand_claims_the_database_for_its_key(
    house: House,
) -> None:
    house.trigger("hub", "dockerhub")
    await house.sweep()
    assert await house.store.fact("key_id") == house.engine.vault.keyring.key_id


async def test_where_a_secret_endpoint_cannot_be_sealed_the_rest_goes_on(house: House) -> None:
    key = house.engine.vault.keyring.path
    key.write_text("open to everybody")
    key.chmod(0o644)
    hub, site = house.trigger("hub", "dockerhub"), house.site()
    assert await house.sweep()
    ((broken,),) = house.read(f"SELECT broken FROM triggers WHERE id = {hub}")
    assert f"chmod 600 {key}" in str(broken)
    assert len(await house.events(site)) == 1
    key.unlink()
    house.by_hand(f"UPDATE triggers SET enabled = 1 WHERE id = {hub}")
    assert await house.sweep()
    assert house.read(f"SELECT broken FROM triggers WHERE id = {hub}") == [(None,)]
    assert (await row_of(house, hub)).sealed is not None


async def test_beside_the_secrets_of_another_key_no_endpoint_is_sealed(house: House) -> None:
    house.by_hand(
        "INSERT INTO facts(name, value) VALUES ('key_id', '0123456789abcdef')",
        "INSERT INTO secrets(id, what, owner, field, sealed, made_at) VALUES"
        f" (1, 'trigger', 'x', 'secret', x'010123456789abcdef{'00' * 40}', 1)",
    )
    hub, site = house.trigger("hub", "dockerhub"), house.site()
    assert await house.sweep()
    ((broken,),) = house.read(f"SELECT broken FROM triggers WHERE id = {hub}")
    assert "sealed with the key 0123456789abcdef" in str(broken)
    assert house.read("SELECT count(*) FROM endpoints") == [(0,)]
    assert len(await house.events(site)) == 1


@pytest.mark.parametrize(
    "path", ["", "x", "x" * 21, "x" * 22, "x" * 65, "ä" * 22, "../../etc/passwd/abcdef", "x" * 9999]
)
async def test_what_is_no_endpoint_is_not_found(house: House, path: str) -> None:
    house.trigger("push", "github", **GITHUB)
    await house.sweep()
    assert await house.engine.directory.find(path) is None


async def test_an_edit_is_seen_at_the_next_delivery(house: House) -> None:
    number = house.trigger("push", "github", **GITHUB)
    await house.sweep()
    path = await path_of(house, number)
    assert (await found(house, number)).enabled
    house.by_hand(f"UPDATE triggers SET enabled = 0 WHERE id = {number}")
    await house.sweep()
    assert not (await found(house, number)).enabled
    assert await path_of(house, number) == path
    house.by_hand(f"UPDATE triggers SET deleted_at = 1 WHERE id = {number}")
    await house.sweep()
    assert await house.engine.directory.find(path) is None


async def test_of_a_broken_trigger_nothing_can_be_proved(house: House) -> None:
    number = house.trigger("push", "github", **GITHUB)
    await house.sweep()
    house.by_hand(f"""UPDATE triggers SET config = '{{"secret": ""}}' WHERE id = {number}""")
    await house.sweep()
    assert (await found(house, number)).kind is None


async def test_a_kind_that_a_hand_changed_to_one_without_takes_nothing(house: House) -> None:
    number = house.trigger("push", "github", **GITHUB)
    await house.sweep()
    path = await path_of(house, number)
    house.by_hand(f"UPDATE triggers SET kind = 'manual', config = '{{}}' WHERE id = {number}")
    await house.sweep()
    assert await house.engine.directory.find(path) is None


async def test_each_secret_is_known_by_its_last_use(house: House) -> None:
    number = house.trigger("push", "github", secret=["other", SECRET])
    await house.sweep()
    endpoint = await found(house, number)
    async with at_work(house):
        await receive(house, endpoint, github(push(), at=BEGIN))
    await house.engine.directory.flush()
    assert (await row_of(house, number)).used == (None, BEGIN)
    house.engine.directory.too_large(endpoint, 7, BEGIN + SECOND)
    await house.engine.directory.flush()
    row = await row_of(house, number)
    assert (row.used, row.refused_at, row.refused_size) == ((None, BEGIN), BEGIN + SECOND, 7)


async def test_what_could_not_be_noted_is_kept_beside_what_comes_then(house: House) -> None:
    number = house.trigger("push", "github", secret=["other", SECRET])
    await house.sweep()
    endpoint, directory = await found(house, number), house.engine.directory
    directory.used(endpoint, Verified(secret=0), BEGIN)
    directory.too_large(endpoint, 7, BEGIN)
    with read_only(house):
        noting = asyncio.ensure_future(directory.flush())
        await asyncio.sleep(0)
        directory.used(endpoint, Verified(secret=1), BEGIN + SECOND)
        with pytest.raises(StoreUnavailable):
            await noting
    await directory.flush()
    row = await row_of(house, number)
    assert (row.used, row.refused_size) == ((BEGIN, BEGIN + SECOND), 7)


async def test_what_proves_nothing_uses_no_secret(house: House) -> None:
    number = house.trigger("push", "github", **GITHUB)
    await house.sweep()
    async with at_work(house):
        said = await receive(house, await found(house, number), github(push(), secret=WRONG))
    assert said.told is Told.REFUSED
    await house.engine.directory.flush()
    assert (await row_of(house, number)).used == (None, None)


async def test_a_rehearsal_decides_and_leaves_nothing(house: House) -> None:
    number = house.trigger("push", "github", **GITHUB)
    house.bind(number, house.workload("site"), {"branch": "main"})
    house.bind(number, house.workload("other"), {"branch": "dev"})
    await house.sweep()
    endpoint = await found(house, number)
    sent = github(push(), at=BEGIN)
    rehearsal = replace(sent, headers={**sent.headers, "x-tinyforge-sample": "rehearse"})
    async with at_work(house):
        said = await receive(house, endpoint, rehearsal)
    assert (said.told, said.event_id) == (Told.ACCEPTED, None)
    assert [one.result.outcome for one in said.bindings] == ["matched", "not_matched"]
    await house.engine.directory.flush()
    assert (await row_of(house, number)).used == (None, None)
    assert house.read("SELECT count(*) FROM events") == [(0,)]
    assert house.read("SELECT count(*) FROM deliveries") == [(0,)]
    assert await house.runs() == []


async def test_a_rehearsal_too_must_prove_itself(house: House) -> None:
    number = house.trigger("push", "github", **GITHUB)
    await house.sweep()
    sent = github(push(), secret=WRONG)
    rehearsal = replace(sent, headers={**sent.headers, "x-tinyforge-sample": "rehearse"})
    async with at_work(house):
        said = await receive(house, await found(house, number), rehearsal)
    assert (said.told, said.status) == (Told.REFUSED, 401)


# --- replicas


class Pair(NamedTuple):
    """Two replicas; *news*: there was told something."""

    here: PostgresStore
    there: PostgresStore
    news: asyncio.Event
    url: str


@pytest_asyncio.fixture
async def pair(postgres: str) -> AsyncIterator[Pair]:
    news = asyncio.Event()
    mine = PostgresHouse(clock=MovableClock(), version="1.0")
    other = PostgresHouse(clock=MovableClock(), version="1.0", hear=lambda _news: news.set())
    async with (
        own_schema(postgres) as url,
        PostgresStore.open(url, mine) as here,
        PostgresStore.open(url, other) as there,
    ):
        yield Pair(here, there, news, url)


async def test_a_replica_follows_what_another_makes_and_ends(
    pair: Pair,
    tmp_path: Path,
) -> None:
    here, there, news, _ = pair
    vault = Vault(Keyring(tmp_path / "key"), there)
    directory = Directory(there, kinds(), vault, MovableClock())
    assert await directory.find(PATH) is None
    sealed = vault.seal((here.new_id(BEGIN), "trigger", "push", "secret"), "typed", BEGIN)
    trigger = Trigger(
        id=TriggerId(here.new_id(BEGIN)),
        name="push",
        kind="github",
        config={"secret": sealed_as(sealed.name)},
    )
    row = replace(
        drafted(trigger.id, PATH, unsigned=False, generated=True).row,
        made_at=BEGIN,
    )
    change = ConfigChange(
        author="test",
        triggers=[TriggerWrite(row=trigger, text="{}")],
        endpoints=[EndpointWrite(trigger_id=trigger.id, row=row)],
        secrecy=Secrecy(keys=vault.keys, secrets=[sealed]),
    )
    await here.change(change, BEGIN)
    endpoint = await directory.find(PATH)
    assert endpoint is not None
    assert endpoint.trigger.name == "push"
    assert vault.value(sealed.name) == "typed", "its secret came with it"
    ends = EndpointWrite(trigger_id=trigger.id, row=None)
    await here.change(ConfigChange(author="test", endpoints=[ends]), BEGIN)
    async with asyncio.timeout(PATIENCE):
        while await directory.find(PATH) is not None:
            news.clear()
            await news.wait()


async def test_a_database_that_says_nothing_holds_up_no_sender(pair: Pair, tmp_path: Path) -> None:
    directory = Directory(
        pair.there, kinds(), Vault(Keyring(tmp_path / "key"), pair.there), MovableClock(), 0.2
    )
    assert await directory.find(PATH) is None
    other = await asyncpg.connect(pair.url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE endpoints IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StoreUnavailable, match="too long"):
                await directory.find(PATH)
    finally:
        await other.close()
    directory.patience = PATIENCE
    assert await directory.find(PATH) is None
