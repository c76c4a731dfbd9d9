"""Rows written one by one, on a real server: which version a change is of, and whose row it is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.web.server import Answer, Running

MANIFEST = """
version: 1
name: of-objects
triggers:
  of-a-file: {kind: manual}
"""


def put(
    running: Running, path: str, body: object, version: str | None = None, role: str = "admin"
) -> Answer:
    headers = {} if version is None else {"If-Match": version}
    return running.ask("PUT", f"/api/v1{path}", role, body, **headers)


def etag(answer: Answer) -> str:
    return {name.lower(): value for name, value in answer.headers.items()}["etag"]


def detail(answer: Answer) -> str:
    shown = json.loads(answer.body)
    assert shown["status"] == answer.status
    return f"{shown['detail']}; {shown.get('fix', '')}"


def test_a_row_is_created_changed_and_removed(running: Running) -> None:
    made = put(running, "/triggers/life", {"kind": "schedule", "interval": "1h"})
    assert (made.status, json.loads(made.body)["trigger"]["managed_by"]) == (201, "api")
    shown = running.ask("GET", "/api/v1/triggers/life", "viewer")
    assert etag(shown) == etag(made)
    changed = put(running, "/triggers/life", {"kind": "schedule", "interval": "2h"}, etag(made))
    assert changed.status == 200
    assert etag(changed) != etag(made)
    assert json.loads(changed.body)["trigger"]["says"] == "every 2h"
    gone = running.ask("DELETE", "/api/v1/triggers/life", "admin", If_Match=etag(changed))
    assert (gone.status, gone.body) == (204, b"")
    assert running.ask("GET", "/api/v1/triggers/life", "viewer").status == 404


def test_a_workload_and_a_binding_have_versions_too(running: Running) -> None:
    work = put(running, "/workloads/w1", {"kind": "command", "command": ["true"]})
    trigger = put(running, "/triggers/t1", {"kind": "manual"})
    bound = put(running, "/bindings/b1", {"trigger": "t1", "workload": "w1"})
    assert [one.status for one in (work, trigger, bound)] == [201, 201, 201]
    for path, made in (("/workloads/w1", work), ("/bindings/b1", bound)):
        assert etag(running.ask("GET", f"/api/v1{path}", "viewer")) == etag(made)
    used = running.ask("DELETE", "/api/v1/workloads/w1", "admin", If_Match="*")
    assert (used.status, "b1" in detail(used)) == (409, True)
    for path in ("/bindings/b1", "/workloads/w1", "/triggers/t1"):
        assert running.ask("DELETE", f"/api/v1{path}", "admin", If_Match="*").status == 204


def test_a_change_says_which_version_it_is_of(running: Running) -> None:
    made = put(running, "/triggers/versions", {"kind": "manual"})
    blind = put(running, "/triggers/versions", {"kind": "manual", "enabled": False})
    assert (blind.status, etag(made) in detail(blind)) == (428, True)
    stale = put(running, "/triggers/versions", {"kind": "manual"}, '"rev_0000000000001"')
    assert (stale.status, "read it again" in detail(stale)) == (412, True)
    weak = put(running, "/triggers/versions", {"kind": "manual"}, f"W/{etag(made)}")
    assert (weak.status, "no ETag" in detail(weak)) == (400, True)
    any_version = put(running, "/triggers/versions", {"kind": "manual", "enabled": False}, "*")
    assert any_version.status == 200
    absent = put(running, "/triggers/never", {"kind": "manual"}, etag(made))
    assert (absent.status, "there is no trigger" in detail(absent)) == (412, True)
    unread = running.ask("DELETE", "/api/v1/triggers/versions", "admin")
    assert unread.status == 428


def test_a_change_of_nothing_but_the_endpoint_makes_a_new_version(running: Running) -> None:
    body = {"kind": "github", "secret": "of more than enough letters for this"}
    first, second = (
        {**body, "endpoint": f"{word}-endpoint-of-the-etag"} for word in ("one", "two")
    )
    made = put(running, "/triggers/moved", first)
    assert made.status == 201
    same = put(running, "/triggers/moved", first, etag(made))
    moved = put(running, "/triggers/moved", second, etag(same))
    assert (same.status, moved.status) == (200, 200)
    assert etag(moved) != etag(same)
    assert etag(running.ask("GET", "/api/v1/triggers/moved", "viewer")) == etag(moved)
    assert put(running, "/triggers/moved", first, etag(same)).status == 412


def test_a_row_of_a_manifest_is_its_own_until_it_is_detached(running: Running) -> None:
    request = {"source": "f.yaml", "text": MANIFEST}
    assert running.ask("POST", "/api/v1/manifest/apply", "admin", request).status == 200
    refused = put(running, "/triggers/of-a-file", {"kind": "manual", "enabled": False}, "*")
    assert (refused.status, "manifest 'of-objects'" in detail(refused)) == (409, True)
    removed = running.ask("DELETE", "/api/v1/triggers/of-a-file", "admin", If_Match="*")
    assert removed.status == 409
    taken = put(running, "/triggers/of-a-file?detach=true", {"kind": "manual"}, "*")
    assert (taken.status, json.loads(taken.body)["trigger"]["managed_by"]) == (200, "api")


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/triggers/bad", {"kind": "schedule", "cron": "x"}, 422, "mistake"),
        ("/triggers/bad", {"kind": "nothing"}, 422, "mistake"),
        ("/triggers/BAD", {"kind": "manual"}, 422, "mistake"),
        ("/triggers/bad", {"kind": "manual", "colour": "red"}, 422, "mistake"),
        ("/triggers/bad", [], 400, "object"),
        ("/triggers/bad", {}, 422, "mistake"),
        ("/bindings/bad", {"trigger": "nobody", "workload": "nothing"}, 422, "2 mistakes"),
        ("/triggers/bad?detach=perhaps", {"kind": "manual"}, 400, "true, false"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_and_nothing_is_changed(
    running: Running, path: str, body: object, status: int, said: str
) -> None:
    answer = put(running, path, body)
    assert (answer.status, said in detail(answer)) == (status, True)
    assert running.ask("GET", "/api/v1/triggers/bad", "viewer").status == 404


def test_only_an_admin_writes_rows(running: Running) -> None:
    for role in ("viewer", "deployer"):
        assert put(running, "/triggers/forbidden", {"kind": "manual"}, role=role).status == 403


def test_33_of_50_changes_at_once_one_wins(running: Running) -> None:
    version = etag(put(running, "/triggers/raced", {"kind": "schedule", "interval": "1h"}))

    def change(number: int) -> int:
        body = {"kind": "schedule", "interval": f"{number + 2}h"}
        return put(running, "/triggers/raced", body, version).status

    with ThreadPoolExecutor(50) as together:
        statuses = sorted(together.map(change, range(50)))
    assert statuses == [200] + [412] * 49


def test_33_of_50_applies_of_one_plan_one_wins(running: Running) -> None:
    text = "version: 1\nname: raced\ntriggers: {raced-%s: {kind: manual}}\n"
    planned = {"source": "f", "text": text % "x"}
    plan = json.loads(running.ask("POST", "/api/v1/manifest/plan", "admin", planned).body)

    def apply(number: int) -> int:
        body = {"source": "f", "text": text % number, "generation": plan["generation"]}
        return running.ask("POST", "/api/v1/manifest/apply", "admin", body).status

    with ThreadPoolExecutor(50) as together:
        statuses = sorted(together.map(apply, range(50)))
    assert statuses == [200] + [409] * 49
