"""Deliveries to a real server: what it answered with a 2xx survives its death, and is deployed once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from msgspec import json as strict_json

from tests.inbound.sending import hex_of
from tests.server.place import Place, Server
from tests.torture.served import verify
from tinyforge.operations.credentials import AuditView
from tinyforge.operations.delivered import DeliveryDetail, DeliveryView
from tinyforge.operations.views import EventView, FireView, Page

pytestmark = pytest.mark.slow

SECRET = "a secret of more than enough letters"
HERE = "push-endpoint-of-the-test"


def manifest(folder: Path) -> str:
    # only a server with the label deploys it, so that a first one dies before anything begins
    return f"""\
workloads:
  site: {{kind: command, command: [sh, -c, "echo $TINYFORGE_EVENT_BRANCH >> {folder}/deployed"], on: place=here}}
triggers:
  push: {{kind: github, secret: {SECRET}, endpoint: {HERE}}}
bindings:
  - {{trigger: push, workload: site, match: {{branch: main}}}}
"""


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    place = Place(tmp_path, capsys)
    place.write(manifest(tmp_path))
    return place


@pytest.fixture
def server(place: Place) -> Iterator[Server]:
    with place.serving("--label", "place=here") as server:
        yield server


def send(
    server: Server, branch: str = "main", identity: str = "one"
) -> tuple[int, dict[str, object]]:
    """Send GitHub's push, signed by `openssl`; return status and answer."""
    body = json.dumps(
        {
            "ref": f"refs/heads/{branch}",
            "before": "a" * 40,
            "after": "b" * 40,
            "repository": {"full_name": "acme/site"},
            "commits": [],
        }
    ).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": identity,
        "X-Hub-Signature-256": f"sha256={hex_of(SECRET, body)}",
    }
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("POST", f"/hooks/{HERE}", body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_server_killed_after_its_answer_has_the_event_and_deploys_it_once(place: Place) -> None:
    with place.serving() as first:
        status, answer = send(first)
        first.served.kill()
    assert (status, answer["outcome"]) == (202, "accepted")
    with place.serving("--label", "place=here") as second:
        (run,) = place.until_all_over("site", 1)
        assert (run.event, run.state) == (answer["event_id"], "succeeded")
        again = send(second)
        assert (again[0], again[1]["outcome"]) == (200, "duplicate")
        assert again[1]["event_id"] == answer["event_id"]
        assert len(place.runs_of("site")) == 1
    assert (place.folder / "deployed").read_text() == "main\n"
    assert verify(place.folder).ok


def test_a_server_killed_before_the_results_decides_when_it_is_back(place: Place) -> None:
    with place.serving(TINYFORGE_CRASH_AT="accepted") as first:
        with pytest.raises(ConnectionError):
            send(first)
        first.served.ended()
    with place.serving("--label", "place=here"):
        (run,) = place.until_all_over("site", 1)
        assert run.state == "succeeded"
    assert (place.folder / "deployed").read_text() == "main\n"


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (("trigger", "fire", "push"), "fire_trigger"),
        (("deploy", "site"), "deploy_workload"),
        (("trigger", "test", "push", "--deploy"), "test_trigger"),
        (("delivery", "replay", "DELIVERY"), "replay_delivery"),
    ],
    ids=lambda words: words if isinstance(words, str) else None,
)
def test_what_a_person_has_made_an_event_of_is_in_the_audit_whenever_the_server_is_killed(
    place: Place, words: tuple[str, ...], action: str
) -> None:
    with place.serving() as first:
        send(first)
        page = strict_json.decode(place.asked("delivery", "list"), type=Page[DeliveryView])
        first.stop()
    with place.serving(TINYFORGE_CRASH_AT="accepted") as second:
        given = [page.items[0].id if word == "DELIVERY" else word for word in words]
        assert place.call(*given).code == 1
        second.served.ended()
    told = strict_json.decode(place.asked("audit", "list"), type=Page[AuditView])
    events = strict_json.decode(place.asked("event", "list"), type=Page[EventView])
    assert [one.action for one in told.items].count(action) == 1
    if action != "test_trigger":
        (after,) = [one.after for one in told.items if one.action == action]
        assert after == events.items[0].id


def test_a_delivery_is_listed_shown_tried_and_replayed_by_commands(
    server: Server, place: Place
) -> None:
    send(server, "dev")
    page = strict_json.decode(place.asked("delivery", "list"), type=Page[DeliveryView])
    (listed,) = page.items
    assert "  dev  " in place.done("event", "list").out
    assert (listed.trigger, listed.taken, listed.sender_id) == ("push", "accepted", "one")
    assert listed.id in place.done("delivery", "list", "--trigger", "push").out
    said = place.done("delivery", "show", listed.id).out
    assert "branch is dev, not main" in said
    assert "x-hub-signature-256: ***" in said
    assert '"refs/heads/dev"' in said
    detail = strict_json.decode(place.asked("delivery", "show", listed.id), type=DeliveryDetail)
    assert detail.proof == "by the trigger's first secret"
    tried = place.asked("delivery", "replay", listed.id, "--what-if")
    assert strict_json.decode(tried, type=FireView).event is None
    place.write(manifest(place.folder).replace("branch: main", "branch: dev"))
    place.done("apply", str(place.manifest))
    replayed = strict_json.decode(place.asked("delivery", "replay", listed.id), type=FireView)
    assert [one.outcome for one in replayed.results] == ["matched"]
    (run,) = place.until_all_over("site", 1)
    assert run.event == replayed.event
    assert "replay_delivery" in place.done("audit", "list").out
    unknown = place.call("delivery", "show", "dlv_0000000000000")
    assert (unknown.code, "tinyforge delivery list" in unknown.err) == (1, True)
