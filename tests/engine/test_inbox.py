"""Deliveries from the proof to the answer: stored once, decided, explained."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.engine.arriving import FROM, SECRET, at_work, endpoint_of, github, push, receive
from tests.engine.house import House
from tests.inbound.sending import sent
from tinyforge.clock import MINUTE, SECOND
from tinyforge.engine.endpoints import Endpoint
from tinyforge.engine.inbox import Told
from tinyforge.errors import StoreUnavailable
from tinyforge.model import Outcome, Run, TriggerId
from tinyforge.observe.events import DeliveriesRefused, DeliveryRefused
from tinyforge.store.port import DeliveryFilter, DeliveryRow

UNSET = "${env:NOBODY_HAS_SET_THIS}"
OTHER = "another secret of letters enough"


@pytest_asyncio.fixture
async def github_site(house: House) -> AsyncIterator[tuple[House, Endpoint]]:
    """Give a trigger of GitHub that deploys `main` to one workload, and its endpoint."""
    number = house.trigger("push", "github", secret=SECRET)
    house.bind(number, house.workload("site"), {"branch": "main"})
    assert await house.sweep()
    async with at_work(house):
        yield house, await endpoint_of(house, number)


async def stored(house: House) -> list[DeliveryRow]:
    return await house.store.deliveries(DeliveryFilter())


async def queued(house: House, wanted: int) -> list[Run]:
    runs = await house.runs()
    assert len(runs) == wanted
    return runs


async def test_what_matches_is_stored_and_queued_before_the_answer(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    reception = await receive(house, endpoint, github(push()))
    (run,) = await queued(house, 1)
    assert (reception.told, reception.event_id) == (Told.ACCEPTED, run.event_id)
    (named,) = reception.bindings
    assert (named.name, named.result.outcome, named.result.run_id) == ("b3", "matched", run.id)
    assert named.result.reason == "push main matched"
    assert (await house.store.results([run.event_id]))[run.event_id] == [named.result]


async def test_what_proves_is_not_kept_and_the_rest_is(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    delivery = github(push())
    await receive(house, endpoint, delivery)
    (row,) = await stored(house)
    headers = json.loads(row.headers)
    assert headers == {**delivery.headers, "x-hub-signature-256": "***"}
    assert (row.source, row.secret, row.delivery_id) == (FROM, 0, "d-1")
    assert (await house.store.brought([row.id]))[row.id].body == delivery.body


async def test_a_bad_signature_leaves_nothing_but_a_count(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    for _ in range(3):
        reception = await receive(house, endpoint, github(push(), secret=OTHER))
        assert (reception.told, reception.status) == (Told.REFUSED, 401)
    assert await stored(house) == []
    assert house.tally.refused == {("github", "proof"): 3}
    (said,) = house.happened.of(DeliveriesRefused)
    assert (said.trigger, said.count, said.source) == ("push", 1, FROM)
    house.clock.move(10 * SECOND)
    await receive(house, endpoint, github(push(), secret=OTHER))
    assert house.happened.of(DeliveriesRefused)[-1].count == 3


async def test_what_cannot_be_read_is_refused_and_not_kept(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    delivery = github(push())
    odd = sent(None, {**delivery.headers, "content-type": "text/plain"}, body=delivery.body)
    reception = await receive(house, endpoint, odd)
    assert (reception.told, reception.status) == (Told.REFUSED, 415)
    assert await stored(house) == []
    assert [one.why for one in house.happened.of(DeliveryRefused)] == ["content_type"]


async def test_a_secret_without_a_value_is_not_the_senders_fault(house: House) -> None:
    number = house.trigger("push", "github", secret=UNSET)
    assert await house.sweep()
    reception = await receive(house, await endpoint_of(house, number), github(push()))
    assert (reception.told, reception.status) == (Told.REFUSED, 503)
    assert "NOBODY" not in reception.reason
    (said,) = house.happened.of(DeliveriesRefused)
    assert UNSET in said.reason


async def test_a_thousand_at_once_are_one_event(github_site: tuple[House, Endpoint]) -> None:
    house, endpoint = github_site
    delivery = github(push())
    every = await asyncio.gather(*(receive(house, endpoint, delivery) for _ in range(1_000)))
    (run,) = await queued(house, 1)
    assert {reception.event_id for reception in every} == {run.event_id}
    told = [reception.told for reception in every]
    assert (told.count(Told.ACCEPTED), told.count(Told.DUPLICATE)) == (1, 999)
    assert len(await stored(house)) == 1


async def test_many_that_come_together_are_each_decided(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    main, dev = push(), push("dev")
    deliveries = [github(dev if n % 2 else main, f"d-{n}") for n in range(20)]
    every = await asyncio.gather(*(receive(house, endpoint, one) for one in deliveries))
    assert [one.told for one in every] == [Told.ACCEPTED, Told.NOTHING_MATCHED] * 10
    assert every[1].bindings[0].result.reason == "branch is dev, not main"
    await queued(house, 10)


async def test_the_same_id_with_another_body_is_kept_and_not_deployed(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    first = await receive(house, endpoint, github(push()))
    other = await receive(house, endpoint, github(push(files=("web/b",))))
    assert (other.told, other.event_id) == (Told.CONFLICT, first.event_id)
    assert [row.fate for row in await stored(house)] == ["conflict", "accepted"]
    await queued(house, 1)


async def test_a_repeated_id_is_decided_anew_once_its_binding_is_mended(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    first = await receive(house, endpoint, github(push("dev")))
    same = await receive(house, endpoint, github(push("dev")))
    assert (first.told, same.told) == (Told.NOTHING_MATCHED, Told.NOTHING_MATCHED)
    (row,) = await stored(house)
    assert await house.store.decisions(row.id, row.event_id) == []
    house.by_hand("""UPDATE bindings SET rule = '{"branch": "dev"}'""")
    assert await house.sweep()
    mended = await receive(house, endpoint, github(push("dev")))
    assert (mended.told, mended.event_id) == (Told.ACCEPTED, first.event_id)
    (run,) = await queued(house, 1)
    assert run.event_id == first.event_id
    (before,) = await house.store.decisions(row.id, row.event_id)
    assert [one.outcome for one in before.results] == [Outcome.NOT_MATCHED]
    again = await receive(house, endpoint, github(push("dev")))
    assert (again.told, again.event_id) == (Told.DUPLICATE, first.event_id)
    await queued(house, 1)
    assert await house.faults() == []


async def test_a_disabled_trigger_keeps_what_comes_and_takes_it_when_it_comes_again(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    disabled = await endpoint_of(house, endpoint.trigger.id, enabled=False)
    first = await receive(house, disabled, github(push()))
    assert (first.told, first.event_id) == (Told.DISABLED, None)
    assert [row.fate for row in await stored(house)] == ["disabled"]
    again = await receive(house, endpoint, github(push()))
    assert again.told == Told.ACCEPTED
    (row,) = await stored(house)
    assert (row.fate, row.event_id) == ("accepted", again.event_id)
    (before,) = await house.store.decisions(row.id, row.event_id)
    assert before.fate == "disabled"


async def test_what_nobody_can_deploy_on_is_kept_with_its_reason(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    reception = await receive(house, endpoint, github({"action": "starred"}, event="star"))
    assert reception.told == Told.IGNORED
    (row,) = await stored(house)
    assert (row.fate, row.reason) == ("ignored", reception.reason)


async def test_both_events_of_one_package_are_one(house: House) -> None:
    number = house.trigger("images", "ghcr", secret=SECRET)
    house.bind(number, house.workload("site"))
    assert await house.sweep()
    endpoint = await endpoint_of(house, number)
    version = {
        "container_metadata": {"tag": {"name": "v1", "digest": f"sha256:{'c' * 64}"}},
    }
    body = {"package_type": "CONTAINER", "namespace": "acme", "name": "site"}
    payloads = {
        what: {"action": "published", what: {**body, "package_version": version}}
        for what in ("package", "registry_package")
    }
    async with at_work(house):
        receptions = [
            await receive(house, endpoint, github(payload, what, event=what, at=house.clock.now()))
            for what, payload in payloads.items()
        ]
        assert [one.told for one in receptions] == [Told.ACCEPTED, Told.DUPLICATE]
        assert receptions[0].event_id == receptions[1].event_id
        house.clock.move(10 * MINUTE)
        later = github(payloads["package"], "third", event="package", at=house.clock.now())
        assert (await receive(house, endpoint, later)).told == Told.ACCEPTED


async def test_a_rule_may_look_into_what_was_delivered(house: House) -> None:
    number = house.trigger("push", "github", secret=SECRET)
    house.bind(number, house.workload("site"), {"when": 'event.payload.pusher.name == "ada"'})
    assert await house.sweep()
    async with at_work(house):
        reception = await receive(house, await endpoint_of(house, number), github(push()))
    assert reception.told == Told.ACCEPTED
    (run,) = await queued(house, 1)
    assert "payload" not in (await house.store.event(run.event_id)).facts


async def test_a_run_carries_the_last_change_that_matched(house: House) -> None:
    number = house.trigger("images", "distribution", secret=SECRET)
    work = house.workload("site")
    house.bind(number, work, {"tag": "v1"})
    assert await house.sweep()
    events = [
        {
            "id": tag,
            "action": "push",
            "target": {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "repository": "acme/site",
                "tag": tag,
                "digest": f"sha256:{'d' * 64}",
            },
            "request": {"host": "registry.example.org"},
        }
        for tag in ("v1", "v2")
    ]
    delivery = sent({"events": events}, {"authorization": SECRET})
    async with at_work(house):
        reception = await receive(house, await endpoint_of(house, number), delivery)
    (named,) = reception.bindings
    assert named.result.reason == "image v1 matched (change 1 of 2)"
    (taken,) = house.engine.runner.floor.arrived
    (order,) = await house.engine.runner.orders.prepare([taken])
    facts = order.event.facts
    assert (facts["tag"], facts["image"]) == ("v1", "registry.example.org/acme/site")
    assert [one["tag"] for one in facts["changes"]] == ["v1", "v2"]  # type: ignore[attr-defined]


async def test_a_full_inbox_says_so_at_once(house: House) -> None:
    number = house.trigger("push", "github", secret=SECRET)
    assert await house.sweep()
    endpoint, delivery = await endpoint_of(house, number), github(push())
    waiting = [asyncio.create_task(receive(house, endpoint, delivery)) for _ in range(4_000)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="more deliveries come than can be stored"):
        await receive(house, endpoint, delivery)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


async def test_an_answer_that_comes_before_the_results_says_that(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    house.engine.inbox.patience = 0.0
    reception = await receive(house, endpoint, github(push()))
    assert (reception.told, reception.bindings) == (Told.PENDING, ())
    assert reception.event_id is not None
    assert (await house.events(TriggerId(endpoint.trigger.id)))[0].id == reception.event_id


async def test_what_nobody_waits_for_any_more_is_not_stored(house: House) -> None:
    number = house.trigger("push", "github", secret=SECRET)
    assert await house.sweep()
    endpoint = await endpoint_of(house, number)
    gone = asyncio.create_task(receive(house, endpoint, github(push(), "gone")))
    stays = asyncio.create_task(receive(house, endpoint, github(push(), "stays")))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    async with at_work(house):
        await stays
    assert [row.delivery_id for row in await stored(house)] == ["stays"]


async def test_what_ended_processes_is_not_decided_again(
    github_site: tuple[House, Endpoint],
) -> None:
    house, endpoint = github_site
    first = await receive(house, endpoint, github(push("dev")))
    assert first.told is Told.NOTHING_MATCHED
    house.by_hand("UPDATE results SET outcome = 'quarantined'")
    again = await receive(house, endpoint, github(push("dev")))
    assert (again.told, again.event_id) == (Told.DUPLICATE, first.event_id)
