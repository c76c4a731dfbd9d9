"""Every route, asked with every kind of proof: it gives what it declares."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.operations.house import ME, open_house
from tests.web.knocking import API, Door, open_door
from tinyforge.clock import HOUR
from tinyforge.operations.callers import Permission, Role, allows
from tinyforge.operations.runs import Wanted

MANIFEST = """
version: 1
workloads:
  their-site: {kind: command, command: ["true"], queue: every}
triggers:
  theirs: {kind: schedule, interval: 10m}
  their-hook: {kind: github, secret: "0123456789abcdef0123456789abcdef"}
  button: {kind: manual}
bindings:
  - {trigger: theirs, workload: their-site}
  - {trigger: their-hook, workload: their-site}
  - {trigger: button, workload: their-site, name: mine}
"""
UNPROVED = ("none", "wrong", "expired", "revoked")
THEIRS = re.compile(rb"theirs|their-hook")
NAMES = {
    "triggers": "theirs",
    "workloads": "their-site",
    "bindings": "theirs.their-site",
    "tokens": "nobody",
}


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """Give a house with one of everything, one event and one run of a trigger `theirs`."""
    async with open_house(tmp_path) as house:
        await house.apply(MANIFEST)
        await house.pass_time(0)
        yield open_door(house)


async def filled(door: Door, path: str) -> str:
    """Put what is there into the places of a route's path."""
    event = (await door.house.doors.events.find(ME, "theirs")).items[-1]
    (run,) = (await door.house.doors.runs.find(Wanted(event=event.id), ME)).items
    ids = {"event_id": event.id, "run_id": run.id}
    noun = path.removeprefix(API + "/").partition("/")[0]

    def put(place: re.Match[str]) -> str:
        return ids.get(place[1]) or NAMES.get(noun, "nothing")

    return re.sub(r"\{(\w+):\w+\}", put, path)


async def proof(door: Door, kind: str) -> str | None:
    match kind:
        case "none":
            return None
        case "wrong":
            return (await door.token("admin"))[:-2] + "zz"
        case "expired":
            token = await door.token("admin", expires="30m")
            door.house.clock.advance(HOUR)
            return token
        case "revoked":
            token = await door.token("admin", name="ended")
            await door.house.doors.tokens.revoke("ended", ME)
            return token
        case _:
            return await door.token(kind)


@pytest.mark.parametrize("kind", [*UNPROVED, *Role])
async def test_security_row_3_every_route_gives_what_it_declares(door: Door, kind: str) -> None:
    token, wrong = await proof(door, kind), []
    routes = [*door.routes(), ("GET", "/metrics", Permission.METRICS)]
    for method, path, permission in routes:
        answer = await door.knock(method, await filled(door, path), token)
        if kind in UNPROVED:
            is_right = answer.status == 401 and "www-authenticate" in answer.headers
        elif allows(Role(kind), permission):
            is_right = answer.status not in (401, 403) and answer.status < 500
        else:
            is_right = answer.status == 403 and "tinyforge token create" in answer.problem.fix
        if not is_right:
            wrong.append((method, path, permission, answer.status, answer.body[:200]))
    assert not wrong
    assert len(routes) > 40


@pytest.mark.parametrize("role", ["viewer", "deployer"])
async def test_security_row_3_a_token_for_one_trigger_meets_no_other(door: Door, role: str) -> None:
    token, wrong = await door.token(role, triggers=["button"]), []
    for method, path, permission in door.routes():
        answer = await door.knock(method, await filled(door, path), token)
        if not allows(Role(role), permission):
            is_right = answer.status == 403
        elif "{" in path:
            is_right = answer.status == 404
        elif answer.status == 403:
            is_right = "for named ones alone" in answer.problem.detail
        else:
            is_right = answer.status < 500 and not THEIRS.search(answer.body)
        if not is_right:
            wrong.append((method, path, answer.status, answer.body[:300]))
    assert not wrong


async def test_security_row_3_a_token_for_one_trigger_acts_on_it_and_sees_what_it_does(
    door: Door,
) -> None:
    token = await door.token("deployer", triggers=["button"])
    fired = await door.knock("POST", f"{API}/triggers/button/fire", token)
    assert fired.status == 200, fired.body
    (event,) = (await door.house.doors.events.find(ME, "button")).items
    (run,) = (await door.house.doors.runs.find(Wanted(event=event.id), ME)).items
    assert (event.actor or "").startswith("token:deployer-")
    for path in ("triggers/button", f"events/{event.id}", f"runs/{run.id}", f"runs/{run.id}/log"):
        assert (await door.knock("GET", f"{API}/{path}", token)).status == 200, path
    listed = (await door.knock("GET", f"{API}/runs", token)).body
    assert run.id.encode() in listed
    assert (await door.knock("POST", f"{API}/workloads/their-site/deploy", token)).status == 404
    assert (await door.knock("POST", f"{API}/triggers/theirs/fire", token)).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "bindings/theirs.their-sit",
        "triggers/their",
        "workloads/their-sit",
        "events?trigger=their",
        "runs?workload=their-sit",
        "runs?trigger=their",
        "runs?workload=their-site",
        "verify?trigger=their",
    ],
)
async def test_security_row_3_a_guess_tells_nobody_what_is_there(door: Door, path: str) -> None:
    token = await door.token("deployer", triggers=["button"])
    answer = await door.knock("GET", f"{API}/{path}", token)
    assert answer.status == 404
    assert "did you mean" not in answer.problem.detail


async def test_security_row_3_a_token_for_one_workload_sees_its_runs_whoever_fired(
    door: Door,
) -> None:
    token = await door.token("deployer", workloads=["their-site"])
    deployed = await door.knock("POST", f"{API}/workloads/their-site/deploy", token)
    assert deployed.status == 200, deployed.body
    runs = (await door.house.doors.runs.find(Wanted(), ME)).items
    assert {run.trigger for run in runs} == {"theirs", "deploy.their-site"}
    for run in runs:
        assert (await door.knock("GET", f"{API}/runs/{run.id}", token)).status == 200
    assert (await door.knock("GET", f"{API}/triggers/theirs", token)).status == 404
    assert (await door.knock("GET", f"{API}/events/{runs[0].event}", token)).status == 404
