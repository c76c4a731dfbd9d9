"""Each row of the table of answers, as a sender sees it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from uuid import uuid4

import pytest

from tests.hooks.calling import Answer, ask, github, line, request
from tests.hooks.site import KNOWN, RATE, TOKEN, UNKNOWN, Site
from tests.inbound.forges import github_push
from tests.inbound.registries import docker_hub
from tinyforge.engine.inbox import Reception, Told
from tinyforge.model import EventId
from tinyforge.web import bodies
from tinyforge.web.allowance import BURST
from tinyforge.web.connection import MOST_PIPELINED
from tinyforge.web.replies import told

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
BEARER = {**JSON, "authorization": f"Bearer {TOKEN}"}


def test_what_is_stored_and_matched_is_202_with_event_and_runs(site: Site) -> None:
    answer = site.push("push")
    assert answer.status == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.said["outcome"] == "accepted"
    assert str(answer.event).startswith("evt_")
    (bound,) = answer.said["bindings"]  # type: ignore[misc]
    assert (bound["name"], bound["outcome"]) == ("push.site", "matched")
    assert str(bound["run_id"]).startswith("run_")


def test_what_is_answered_is_stored_by_then(site: Site) -> None:
    before = site.of("events", "push")
    assert site.push("push").status == 202
    assert site.of("events", "push") == before + 1


def test_what_matches_nothing_is_200_with_the_reason(site: Site) -> None:
    answer = site.push("push", ref="refs/heads/elsewhere")
    assert answer.status == 200
    assert answer.said["outcome"] == "nothing_matched"
    (bound,) = answer.said["bindings"]  # type: ignore[misc]
    assert (bound["outcome"], bound["run_id"]) == ("not_matched", None)
    assert "branch" in bound["reason"]


def test_a_trigger_without_bindings_says_so(site: Site) -> None:
    answer = site.push("lone")
    assert (answer.status, answer.said["outcome"]) == (200, "nothing_matched")
    assert "bound to no workload" in str(answer.said["reason"])


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("ping", {"zen": "Keep it logically awesome.", "hook_id": 1}),
        ("push", github_push(ref="refs/tags/v1", deleted=True, after="0" * 40)),
        ("star", {"action": "created"}),
    ],
)
def test_a_ping_a_deletion_and_what_nobody_deploys_on_are_200(
    site: Site, event: str, payload: object
) -> None:
    assert site.post("push", *github(payload, event=event)).status == 200


def test_a_repeated_id_is_200_with_the_first_event(site: Site) -> None:
    identity = str(uuid4())
    first, second = site.push("push", identity), site.push("push", identity)
    assert (first.status, second.status) == (202, 200)
    assert second.said["outcome"] == "duplicate"
    assert second.event == first.event


def test_a_repeated_id_with_another_body_is_200_and_a_conflict(site: Site) -> None:
    identity = str(uuid4())
    runs = site.count("runs")
    first = site.push("push", identity)
    other = site.push("push", identity, after="d" * 40)
    assert (other.status, other.said["outcome"]) == (200, "conflict")
    assert first.status == 202
    assert site.count("runs") == runs + 1


def test_a_disabled_trigger_is_200_disabled(site: Site) -> None:
    answer = site.push("off")
    assert (answer.status, answer.said["outcome"]) == (200, "disabled")
    assert site.of("events", "off") == 0


def test_a_repeated_id_that_queued_no_run_is_decided_afresh(site: Site) -> None:
    """Nobody has changed the bindings: it is answered as before, and a repaired one deploys."""
    identity = str(uuid4())
    first = site.push("mended", identity)
    assert (first.status, first.said["outcome"]) == (200, "nothing_matched")
    written = site.place.manifest.read_text()
    site.place.manifest.write_text(written.replace("branch: later", "branch: main"))
    applied = len(site.server.said("ManifestApplied"))
    site.server.reload()
    site.server.until_said("ManifestApplied", applied + 1)
    again = site.push("mended", identity)
    assert (again.status, again.event) == (202, first.event)
    assert again.outcomes == [("mended.site", "matched")]


def test_an_unknown_endpoint_is_404_and_goes_on(site: Site) -> None:
    with line(site.port) as one:
        for path in (UNKNOWN, "short", "", "../api/v1/health", KNOWN["push"] + "/", "%00"):
            answer = one.ask(f"/hooks/{path}", b"{}", JSON)
            assert (answer.status, answer.is_last) == (404, False), path


@pytest.mark.parametrize("path", [KNOWN["push"], KNOWN["images"], UNKNOWN, ""])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_any_other_method_is_405_known_or_not(site: Site, path: str, method: str) -> None:
    answer = ask(site.port, f"/hooks/{path}", b"", {}, method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert answer.said["detail"] == "this is a webhook endpoint, send POST"


def test_a_body_that_is_too_large_is_413_and_shown_on_the_trigger(site: Site) -> None:
    with line(site.port) as one:
        body, headers = github(github_push(padding="x" * 110 * 1024))
        answer = one.ask(f"/hooks/{KNOWN['small']}", body, headers)
        assert (answer.status, answer.is_last) == (413, False)
        assert "102400 bytes" in str(answer.said["detail"])
        assert one.ask(f"/hooks/{KNOWN['small']}", *github(github_push())).status == 202
    (said, *_) = site.server.said("DeliveriesRefused", trigger="small", why="too_large")
    assert str(len(body)) in str(said["reason"])


def test_a_chunked_body_is_held_to_the_same_limit(site: Site) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    head = request(f"/hooks/{KNOWN['small']}", headers={"transfer-encoding": "chunked"})
    with line(site.port) as one:
        one.send(head.replace(b"content-length: 0\r\n", b"") + chunk * 4 + b"0\r\n\r\n")
        assert one.answer().status == 413


def test_who_asks_before_sending_too_much_is_told_at_once(site: Site) -> None:
    with line(site.port) as one:
        large = {**JSON, "expect": "100-continue", "content-length": str(1 << 20)}
        one.send(request(f"/hooks/{KNOWN['small']}", headers=large))
        assert (one.answer().status, one.is_closed()) == (413, True)


def test_who_asks_before_sending_to_nobody_is_told_at_once(site: Site) -> None:
    with line(site.port) as one:
        asking = {**JSON, "expect": "100-continue", "content-length": "5"}
        one.send(request(f"/hooks/{UNKNOWN}", headers=asking))
        assert (one.answer().status, one.is_closed()) == (404, True)


def test_more_than_anybody_reads_is_413_and_the_end(site: Site) -> None:
    with line(site.port) as one:
        size = {"content-length": str(bodies.MOST_DROPPED + 1)}
        one.send(request(f"/hooks/{KNOWN['small']}", headers=size))
        assert (one.answer().status, one.is_closed()) == (413, True)


def test_what_is_no_json_is_400_and_another_type_415(site: Site) -> None:
    assert site.post("any", b"{", BEARER).status == 400
    assert site.post("any", b"{}", {**BEARER, "content-type": "text/plain"}).status == 415
    assert site.post("any", b"{}", {**BEARER, "content-encoding": "gzip"}).status == 415


def test_a_senders_mistake_is_a_problem_with_its_reason(site: Site) -> None:
    answer = site.post("push", b"{}", JSON)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status, answer.said["status"]) == (401, 401)
    assert "x-hub-signature-256" in str(answer.said["detail"])


def test_too_many_deliveries_of_one_endpoint_are_429_and_others_go_on(site: Site) -> None:
    text = request(f"/hooks/{KNOWN['busy']}", *github(github_push(), "the same"))
    found: list[Answer] = []
    with line(site.port) as one:
        while not found or found[-1].status != 429:
            one.send(text * MOST_PIPELINED)
            found += [one.answer() for _ in range(MOST_PIPELINED)]
    assert {answer.status for answer in found} == {200, 202, 429}
    assert len(found) >= RATE * BURST
    assert int(found[-1].headers["retry-after"]) >= 1
    assert site.push("push").status == 202


@pytest.mark.parametrize(
    ("name", "sent", "status"),
    [
        ("lone", github(github_push(), secret=TOKEN), 401),
        ("form", (b"no payload", FORM), 400),
        ("stash", (b"{}", {**JSON, "x-event-key": "diagnostics:ping"}), 200),
    ],
)
def test_what_proves_nothing_uses_up_nothing(
    site: Site, name: str, sent: tuple[bytes, Mapping[str, str]], status: int
) -> None:
    text = request(f"/hooks/{KNOWN[name]}", *sent)
    with line(site.port) as one:
        for _ in range(2 * RATE * BURST // MOST_PIPELINED):
            one.send(text * MOST_PIPELINED)
            assert {one.answer().status for _ in range(MOST_PIPELINED)} == {status}
    assert ask(site.port, f"/hooks/{KNOWN[name]}", *sent).status == status
    assert site.push("lone").status == 200


def test_a_database_that_cannot_be_written_is_503_and_nothing_is_lost(site: Site) -> None:
    identity = str(uuid4())
    with closing(sqlite3.connect(site.place.data / "tinyforge.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        answer = site.push("push", identity)
        db.execute("ROLLBACK")
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    again = site.push("push", identity)
    assert again.status in {200, 202}
    assert str(again.event).startswith("evt_")


def test_what_is_not_decided_in_time_is_202_pending() -> None:
    reply = told(Reception(told=Told.PENDING, event_id=EventId(1)))
    assert (reply.status, b'"bindings":"pending"' in reply.body) == (202, True)


def test_an_unsigned_sender_needs_nothing_but_the_address(site: Site) -> None:
    assert ask(site.port, f"/hooks/{KNOWN['images']}", *hub("v1")).status == 202


def hub(tag: str) -> tuple[bytes, dict[str, str]]:
    return json.dumps(docker_hub(tag)).encode(), JSON
