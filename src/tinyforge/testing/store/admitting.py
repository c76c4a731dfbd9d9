"""Tokens and the audit: what is revoked is so at once, and what is written down stays."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from msgspec.structs import replace

from tinyforge.clock import DAY, MINUTE, Moment
from tinyforge.errors import Conflict, NotFound
from tinyforge.ids import show
from tinyforge.model import EventDraft, EventId
from tinyforge.store.port import (
    Among,
    AuditEntry,
    ConfigChange,
    EventFilter,
    RunFilter,
    Store,
    Token,
    TokenUse,
    TriggerWrite,
)
from tinyforge.testing.store.refused import refused
from tinyforge.testing.store.site import NOW, Bench, Planned, fire, put_site

LONG_AGO = NOW - 90 * DAY
ONLY_APPENDED = "only appended to"
CHANGES = (
    "UPDATE audit SET actor = 'nobody'",
    "DELETE FROM audit",
    "DELETE FROM audit WHERE actor = 'local:me'",
)


class AdmittingContract:
    async def test_a_token_is_known_by_its_digest_and_as_it_was_made(self, store: Store) -> None:
        token = await make(store, triggers=["push", "ünï"], expires_at=NOW + DAY)
        assert await store.token_of(digest("ci")) == token
        assert await store.token_of(digest("other")) is None
        assert await store.tokens() == [token]

    async def test_whether_there_is_a_token_is_known_at_once(self, store: Store) -> None:
        assert not await store.has_tokens()
        await make(store)
        assert await store.has_tokens()

    async def test_a_name_is_free_again_once_its_token_is_revoked(self, store: Store) -> None:
        await make(store)
        await refused(make(store, secret="another"), Conflict)  # noqa: S106 - of a test
        assert len(await store.audit(None, 10)) == 1, "what was refused is not in the audit"
        await revoke(store, "ci")
        again = await make(store, secret="another")  # noqa: S106 - of a test
        assert await store.token_of(digest("another")) == again

    async def test_a_revoked_token_says_when_and_by_whom(self, store: Store) -> None:
        token = await make(store)
        ended = replace(token, revoked_at=NOW + MINUTE, revoked_by="local:me")
        assert await revoke(store, "ci") == ended
        assert await store.token_of(digest("ci")) == ended

    async def test_only_a_token_that_lives_can_be_revoked(self, store: Store) -> None:
        await refused(revoke(store, "ci"), NotFound)
        await make(store)
        await revoke(store, "ci")
        await refused(revoke(store, "ci"), NotFound)
        assert [one.action for one in await store.audit(None, 10)] == ["revoke", "make"]

    async def test_what_was_over_long_ago_is_forgotten_with_the_next_token(
        self, store: Store
    ) -> None:
        await make(store, "expired", expires_at=LONG_AGO - 1)
        await make(store, "lately", expires_at=LONG_AGO + 1)
        await make(store, "always")
        assert [token.name for token in await store.tokens()] == ["always", "lately"]

    async def test_of_many_uses_the_last_one_is_kept(self, store: Store) -> None:
        one, other = await make(store), await make(store, "other")
        uses = [TokenUse(one.id, NOW + n, f"192.0.2.{n}") for n in (1, 3, 2)]
        await store.note_uses([*uses, TokenUse(other.id, NOW, "::1"), TokenUse(7, NOW, "gone")])
        await store.note_uses([TokenUse(one.id, NOW, "too late")])
        used = {token.name: (token.used_at, token.used_from) for token in await store.tokens()}
        assert used == {"ci": (NOW + 3, "192.0.2.3"), "other": (NOW, "::1")}

    async def test_the_audit_is_read_backwards_page_by_page(self, store: Store) -> None:
        entries = [entry(store, f"do-{number}") for number in range(5)]
        for one in entries:
            await store.record(one)
        newest = await store.audit(None, 3)
        assert newest == entries[:1:-1]
        assert await store.audit(newest[-1].id, 3) == entries[1::-1]

    async def test_a_change_of_config_and_its_entry_are_one(self, store: Store) -> None:
        site = await put_site(store)
        kept, lost = entry(store, "kept"), entry(store, "lost")
        write = TriggerWrite(row=site.trigger, text='{"x": 1}')
        await store.change(ConfigChange(author="test", triggers=[write], entry=kept), NOW)
        late = ConfigChange(author="test", generation=0, triggers=[write], entry=lost)
        await refused(store.change(late, NOW), Conflict)
        assert await store.audit(None, 10) == [kept]

    async def test_a_fire_and_its_entry_are_one(self, store: Store) -> None:
        site = await put_site(store)
        draft = EventDraft(trigger_id=site.trigger.id, key="fire:me:1")
        kept = entry(store, "fire")
        event = await store.accept_noted(draft, kept, NOW)
        assert event is not None
        assert await store.accept_noted(draft, entry(store, "again"), NOW) is None
        assert await store.audit(None, 10) == [replace(kept, after=show("evt", event.id))]
        found = await store.events(EventFilter(trigger_id=site.trigger.id))
        assert [one.id for one in found] == [event.id]

    async def test_a_fire_whose_entry_cannot_be_stored_is_none(self, store: Store) -> None:
        site = await put_site(store)
        taken = entry(store, "taken")
        await store.record(taken)
        try:
            await store.accept_noted(EventDraft(trigger_id=site.trigger.id), taken, NOW)
        except Exception:  # noqa: BLE001 - whatever this database raises
            assert await store.events(EventFilter(trigger_id=site.trigger.id)) == []
        else:
            raise AssertionError("the audit took one id twice")
        assert await store.audit(None, 10) == [taken]

    async def test_nobody_changes_or_deletes_what_is_in_the_audit(
        self, store: Store, bench: Bench
    ) -> None:
        one = entry(store, "stays")
        await store.record(one)
        again = f"INSERT INTO audit SELECT * FROM audit WHERE id = {one.id}"  # noqa: S608 - a number of ours
        for statement in (*CHANGES, again):
            try:
                await bench.by_hand(statement)
            except Exception as problem:  # noqa: BLE001 - whatever this database raises
                assert statement == again or ONLY_APPENDED in str(problem)  # noqa: PT017 - the same
            else:
                raise AssertionError(f"the database let somebody {statement}")
        assert await store.audit(None, 10) == [one]

    async def test_events_and_runs_are_found_by_the_names_of_their_ends(self, store: Store) -> None:
        mine, yours = await put_site(store), await put_site(store, Planned(name="yours"))
        my_event, _ = await fire(store, mine)
        your_event, _ = await fire(store, yours)

        async def events(*names: str) -> list[EventId]:
            found = await store.events(EventFilter(among=frozenset(names)))
            return [event.id for event in found]

        async def runs(triggers: Sequence[str], workloads: Sequence[str]) -> int:
            among = Among(frozenset(triggers), frozenset(workloads))
            return len(await store.runs(RunFilter(among=among)))

        assert await events("site") == [my_event.id]
        assert await events("site", "yours") == [your_event.id, my_event.id]
        assert await events() == []
        assert [await runs(["site"], []), await runs([], ["yours-0"])] == [1, 1]
        assert [await runs(["site"], ["yours-0"]), await runs([], [])] == [2, 0]


def digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def entry(store: Store, action: str, now: Moment = NOW) -> AuditEntry:
    return AuditEntry(
        id=store.new_id(now),
        at=now,
        actor="local:me",
        action=action,
        target="ci",
        before="nothing",
        after="something",
        source="local",
    )


async def make(
    store: Store,
    name: str = "ci",
    *,
    secret: str | None = None,
    expires_at: Moment | None = None,
    triggers: Sequence[str] | None = None,
) -> Token:
    token = Token(
        id=store.new_id(NOW),
        name=name,
        prefix="tft_abcd",
        role="deployer",
        triggers=triggers,
        workloads=None if triggers is None else [],
        made_at=NOW,
        made_by="local:me",
        expires_at=expires_at,
    )
    await store.make_token(token, digest(secret or name), entry(store, "make"), LONG_AGO)
    return token


async def revoke(store: Store, name: str) -> Token:
    return await store.revoke_token(name, entry(store, "revoke", NOW + MINUTE))
