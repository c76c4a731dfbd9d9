"""Tokens as admins make, narrow and end them, and callers as they come of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.operations.house import ME, House
from tinyforge.clock import DAY, HOUR, MINUTE
from tinyforge.errors import Forbidden, InvalidConfig, NotFound, Refused, Unproved
from tinyforge.operations import lists, tokens
from tinyforge.operations.callers import HELD, Caller, Permission, Role, allows, least
from tinyforge.operations.credentials import TokenRequest
from tinyforge.operations.runs import Wanted

FROM = "192.0.2.1"
VIEWER = Caller(actor="token:v", role=Role.VIEWER)


async def made(house: House, role: str = "deployer", **terms: object) -> str:
    request = TokenRequest(role=role, **terms)  # type: ignore[arg-type]
    return (await house.doors.tokens.create(request, ME)).secret


async def caller(house: House, secret: str) -> Caller:
    return await house.doors.admission.caller_of(secret, FROM)


async def test_a_token_is_its_caller(house: House) -> None:
    await house.apply()
    secret = await made(house, name="ci", triggers=["button", "often"], workloads=["site"])
    assert await caller(house, secret) == Caller(
        actor="token:ci",
        role=Role.DEPLOYER,
        triggers=frozenset({"button", "often"}),
        workloads=frozenset({"site"}),
        source=FROM,
    )


async def test_names_of_one_noun_leave_none_of_the_other(house: House) -> None:
    await house.apply()
    found = await caller(house, await made(house, triggers=["button"]))
    assert (found.triggers, found.workloads) == ({"button"}, frozenset())
    assert (await caller(house, await made(house))).is_narrowed is False


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"role": "boss"}, "'boss' is none of metrics, viewer, deployer, admin"),
        ({"role": ""}, "'' is none of"),
        ({"role": "admin", "triggers": ["button"]}, "reaches beyond"),
        ({"role": "metrics", "workloads": ["site"]}, "reaches beyond"),
        ({"name": "No Name"}, "'No Name' is no name"),
        ({"name": "x" * 64}, "up to 63 letters"),
        ({"expires": "30s"}, "write 1m to 3650d"),
        ({"expires": "11y"}, "is not a duration"),
        ({"expires": "-1d"}, "is not a duration"),
        ({"triggers": ["button"] * 101}, "at most 100 names"),
    ],
)
async def test_what_cannot_be_a_token_is_refused_with_the_fix(
    house: House, terms: dict[str, object], said: str
) -> None:
    await house.apply()
    with pytest.raises(InvalidConfig, match=said):
        await made(house, **{"role": "deployer", **terms})  # type: ignore[arg-type]
    assert not (await house.doors.tokens.find(ME)).items


async def test_a_token_for_what_is_not_there_is_a_slip_of_the_pen(house: House) -> None:
    await house.apply()
    with pytest.raises(NotFound, match="did you mean 'often'"):
        await made(house, triggers=["oftn"])
    with pytest.raises(NotFound, match="no workload named 'sight'"):
        await made(house, workloads=["sight"])


async def test_a_name_is_taken_until_its_token_is_revoked(house: House) -> None:
    await made(house, name="ci")
    with pytest.raises(Refused, match="is there already") as refused:
        await made(house, name="ci")
    assert refused.value.fix.startswith("tinyforge token revoke ci, or")
    await house.doors.tokens.revoke("ci", ME)
    await made(house, name="ci")
    states = [(one.name, one.state) for one in (await house.doors.tokens.find(ME)).items]
    assert states == [("ci", "live"), ("ci", "revoked")]


async def test_a_token_without_a_name_gets_one(house: House) -> None:
    for _ in range(3):
        await made(house)
    names = {one.name for one in (await house.doors.tokens.find(ME)).items}
    assert len(names) == 3
    assert all(name.startswith("deployer-") for name in names)


async def test_a_token_ends_at_its_moment(house: House) -> None:
    secret = await made(house, expires="1h")
    house.clock.advance(HOUR - 1)
    await caller(house, secret)
    house.clock.advance(1)
    with pytest.raises(Unproved, match="has expired"):
        await caller(house, secret)
    assert (await house.doors.tokens.find(ME)).items[0].state == "expired"


async def test_a_token_that_was_over_long_ago_makes_room(house: House) -> None:
    await made(house, name="first", expires="1h")
    house.clock.advance(HOUR + tokens.KEPT)
    await made(house, name="second")
    assert [one.name for one in (await house.doors.tokens.find(ME)).items] == ["second", "first"]
    house.clock.advance(1)
    await made(house, name="third")
    assert [one.name for one in (await house.doors.tokens.find(ME)).items] == ["third", "second"]


async def test_uses_are_stored_each_minute_and_at_the_end(house: House) -> None:
    secret = await made(house)
    admission = house.doors.admission

    async def used() -> str | None:
        return (await house.doors.tokens.find(ME)).items[0].used_at

    await caller(house, secret)
    assert await used() is None
    keeping = asyncio.create_task(admission.run())
    async with asyncio.timeout(20):
        while await used() is None:
            await asyncio.sleep(0.01)
    house.clock.advance(MINUTE)
    await caller(house, secret)
    keeping.cancel()
    await asyncio.wait([keeping])
    view = (await house.doors.tokens.find(ME)).items[0]
    assert (view.used_at, view.used_from) == ("2026-01-05T12:01:00Z", FROM)


@pytest.mark.parametrize("column", ["role = 'boss'", "triggers = 'nonsense'", "role = ''"])
async def test_what_a_hand_breaks_of_a_token_gives_it_nothing(house: House, column: str) -> None:
    await house.apply()
    secret = await made(house)
    house.by_hand(f"UPDATE tokens SET {column}")
    try:
        found = await caller(house, secret)
    except Unproved as refused:
        assert refused.reason == "unknown"  # noqa: PT017 - either is right
    else:
        assert not (await house.doors.lists.triggers(found, lists.Wanted())).items


def test_each_role_holds_what_the_page_says() -> None:
    assert {role: {p for p in Permission if allows(role, p)} for role in Role} == {
        Role.METRICS: {Permission.METRICS},
        Role.VIEWER: {Permission.READ},
        Role.DEPLOYER: {Permission.READ, Permission.DEPLOY},
        Role.ADMIN: set(Permission),
    }
    assert {permission: least(permission) for permission in Permission} == {
        Permission.READ: Role.VIEWER,
        Permission.DEPLOY: Role.DEPLOYER,
        Permission.CONFIGURE: Role.ADMIN,
        Permission.METRICS: Role.METRICS,
    }
    assert list(HELD) == list(Role)


async def test_operations_themselves_keep_tokens_and_the_audit_for_admins(house: House) -> None:
    doors = house.doors
    for refused in (
        doors.tokens.find(VIEWER),
        doors.tokens.create(TokenRequest(role="viewer"), VIEWER),
        doors.tokens.revoke("x", VIEWER),
        doors.audit.find(VIEWER),
    ):
        with pytest.raises(Forbidden, match="needs the role admin, and token:v is viewer"):
            await refused


async def test_lists_of_a_narrowed_caller_go_on_page_by_page(house: House) -> None:
    await house.apply()
    mine = await caller(house, await made(house, triggers=["button"]))
    for _ in range(5):
        await house.doors.firing.fire("button", None, mine)
        await house.doors.firing.fire("often", None, ME)
    first = await house.doors.events.find(mine, limit=3)
    rest = await house.doors.events.find(mine, before=first.next, limit=3)
    assert {event.trigger for event in (*first.items, *rest.items)} == {"button"}
    assert (len(first.items), len(rest.items), rest.next) == (3, 2, None)
    runs = await house.doors.runs.find(Wanted(limit=100), mine)
    assert {run.trigger for run in runs.items} == {"button"}
    assert len(runs.items) == 5


async def test_what_is_gone_is_gone_for_whoever_is_narrowed_to_it(house: House) -> None:
    await house.apply()
    mine = await caller(house, await made(house, triggers=["button"]))
    house.clock.advance(DAY)
    await house.apply("version: 1\n", prune=True)
    with pytest.raises(NotFound):
        await house.doors.triggers.show("button", mine)
    assert not (await house.doors.lists.triggers(mine, lists.Wanted())).items
