"""Deliveries as people list, read, rehearse and replay them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.engine.arriving import SECRET, at_work, endpoint_of, github, push, receive
from tests.engine.house import ME, House, open_house
from tinyforge.clock import DAY, SECOND
from tinyforge.engine.endpoints import Endpoint
from tinyforge.errors import NotFound, Refused
from tinyforge.observe.events import DeliveryReplayed
from tinyforge.operations.callers import Caller, Role

NOBODYS = Caller(actor="token:other", role=Role.VIEWER, triggers=frozenset({"another"}))


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[tuple[House, Endpoint]]:
    """Give a trigger of GitHub whose binding waits for `main`, and its endpoint."""
    async with open_house(tmp_path / "data") as house:
        number = house.trigger("push", "github", secret=SECRET)
        house.bind(number, house.workload("site"), {"branch": "main"})
        assert await house.sweep()
        async with at_work(house):
            yield house, await endpoint_of(house, number)


async def test_they_are_listed_newest_first_by_what_they_were_taken_as(
    site: tuple[House, Endpoint],
) -> None:
    house, endpoint = site
    for branch in ("main", "dev"):
        await receive(house, endpoint, github(push(branch), branch))
    await receive(house, endpoint, github({"action": "starred"}, "star", event="star"))
    page = await house.doors.deliveries.find(ME, limit=2)
    rest = await house.doors.deliveries.find(ME, before=page.next)
    assert [one.sender_id for one in (*page.items, *rest.items)] == ["star", "dev", "main"]
    (ignored,) = (await house.doors.deliveries.find(ME, "push", "ignored")).items
    assert (ignored.taken, ignored.event) == ("ignored", None)
    assert "star" in ignored.reason


async def test_one_shows_its_body_its_proof_and_each_binding(
    site: tuple[House, Endpoint],
) -> None:
    house, endpoint = site
    delivery = github(push("dev"))
    await receive(house, endpoint, delivery)
    (listed,) = (await house.doors.deliveries.find(ME)).items
    detail = await house.doors.deliveries.show(listed.id, ME)
    assert detail.body == delivery.body.decode()
    assert await house.doors.deliveries.body(listed.id, ME) == delivery.body
    assert detail.proof == "by the trigger's first secret"
    assert detail.headers["x-hub-signature-256"] == "***"
    assert detail.event is not None
    assert [one.reason for one in detail.event.results] == ["branch is dev, not main"]


async def test_one_shows_what_was_decided_before(site: tuple[House, Endpoint]) -> None:
    house, endpoint = site
    await receive(house, endpoint, github(push("dev")))
    house.by_hand("""UPDATE bindings SET rule = '{"branch": "dev"}'""")
    assert await house.sweep()
    await receive(house, endpoint, github(push("dev")))
    (listed,) = (await house.doors.deliveries.find(ME)).items
    detail = await house.doors.deliveries.show(listed.id, ME)
    assert detail.event is not None
    assert [one.outcome for one in detail.event.results] == ["matched"]
    ((before,),) = [one.results for one in detail.earlier]
    assert (before.outcome, before.reason) == ("not_matched", "branch is dev, not main")


async def test_a_rehearsal_says_what_a_replay_would_give_and_queues_nothing(
    site: tuple[House, Endpoint],
) -> None:
    house, endpoint = site
    await receive(house, endpoint, github(push("dev")))
    rule = """{"when": "event.payload.pusher.name == ''ada''"}"""
    house.by_hand(f"UPDATE bindings SET rule = '{rule}'")
    assert await house.sweep()
    (listed,) = (await house.doors.deliveries.find(ME)).items
    view = await house.doors.deliveries.rehearse(listed.id, ME)
    assert (view.dry_run, [one.outcome for one in view.results]) == (True, ["matched"])
    assert await house.runs() == []
    assert len(await house.events(endpoint.trigger.id)) == 1


async def test_a_replay_is_a_new_event_that_says_what_it_is_of(
    site: tuple[House, Endpoint],
) -> None:
    house, endpoint = site
    await receive(house, endpoint, github(push()))
    (listed,) = (await house.doors.deliveries.find(ME)).items
    view = await house.doors.deliveries.replay(listed.id, ME)
    first, second = await house.events(endpoint.trigger.id)
    assert second.facts == {**first.facts, "origin": "replay", "replay_of": listed.id}
    assert second.actor == ME.actor
    assert [one.outcome for one in view.results] == ["matched"]
    assert len(await house.runs()) == 2
    assert [one.event_id for one in house.happened.of(DeliveryReplayed)] == [second.id]
    (entry, *_) = (await house.doors.audit.find(ME)).items
    assert (entry.action, entry.target, entry.after) == ("replay_delivery", listed.id, view.event)


async def test_what_is_nothing_to_deploy_on_is_not_replayed(site: tuple[House, Endpoint]) -> None:
    house, endpoint = site
    await receive(house, endpoint, github({"action": "starred"}, event="star"))
    (listed,) = (await house.doors.deliveries.find(ME)).items
    with pytest.raises(Refused, match="nothing to deploy on"):
        await house.doors.deliveries.replay(listed.id, ME)


async def test_a_body_that_is_gone_says_so(tmp_path: Path) -> None:
    async with open_house(tmp_path / "data", keep_bodies=DAY) as house:
        number = house.trigger("push", "github", secret=SECRET)
        assert await house.sweep()
        endpoint = await endpoint_of(house, number)
        async with at_work(house):
            await receive(house, endpoint, github(push()))
        house.clock.move(2 * DAY)
        await house.engine.janitor.sweep()
        (listed,) = (await house.doors.deliveries.find(ME)).items
        assert (await house.doors.deliveries.show(listed.id, ME)).body is None
        with pytest.raises(Refused, match="kept no longer"):
            await house.doors.deliveries.replay(listed.id, ME)


async def test_explain_says_of_each_binding_why_it_did_not_deploy(
    site: tuple[House, Endpoint],
) -> None:
    house, endpoint = site
    await receive(house, endpoint, github(push("dev")))
    house.clock.move(SECOND)
    await receive(house, endpoint, github({"action": "starred"}, "star", event="star"))
    view = await house.doors.explain.explain("push", ME)
    ignored, fired = view.decisions
    assert (ignored.verdict, fired.verdict) == ("ignored", "fired")
    assert "star" in ignored.words
    assert fired.words == "b3: not_matched (branch is dev, not main)."
    asked = await house.doors.explain.explain("push", ME, house.clock.now() + DAY)
    assert asked.event is not None
    assert "branch is dev, not main" in asked.words
    before = await house.doors.explain.explain("push", ME, house.clock.now() - DAY)
    assert "No event of it is kept from before that" in before.words


async def test_others_see_nothing_of_it(site: tuple[House, Endpoint]) -> None:
    house, endpoint = site
    await receive(house, endpoint, github(push()))
    (listed,) = (await house.doors.deliveries.find(ME)).items
    deliveries = house.doors.deliveries
    assert (await deliveries.find(NOBODYS)).items == []
    for asked in (deliveries.show, deliveries.body, deliveries.rehearse, deliveries.replay):
        with pytest.raises(NotFound):
            await asked(listed.id, NOBODYS)
