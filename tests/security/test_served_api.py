"""The API of a real server, asked by who may not, by many at once, and in odd spellings."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote

import pytest

from tests.security.site import API, Site, planted, site

AT_ONCE = 50
MANIFEST = f"""
version: 1
workloads:
  slow: {{kind: command, command: ["sleep", "60"], queue: every}}
  quick: {{kind: command, command: ["true"]}}
triggers:
  nightly: {{kind: schedule, cron: "0 3 * * *"}}
  button: {{kind: manual}}
  push: {{kind: github, secret: {planted("secret")}, endpoint: {planted("endpoint")}}}
bindings:
  - {{trigger: button, workload: quick}}
"""
CHANGES_NOTHING = {"POST /manifest/plan", "POST /doctor/sightings"}
TRAVERSALS = (
    *("..", ".", "../..", "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f"),
    *(
        "%252e%252e%252f",
        "..%5c..%5c",
        "%00",
        "nightly%00",
        "nightly%2f..%2fbutton",
        "%2fetc%2fpasswd",
    ),
    *(
        "..;/nightly",
        "%c0%ae%c0%ae%2f",
        "%ef%bc%8e%ef%bc%8e",
        "~root",
        "nightly.db",
        "-rf",
        "%0d%0aX:%20y",
    ),
    *("nightly%20", "NIGHTLY", "n%69ghtlyx", "%f0%9f%92%a9", "a" * 5_000, "run_..", "evt_%2e%2e"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("api"), MANIFEST, {}) as one:
        yield one


def routes(one: Site) -> list[tuple[str, str]]:
    """Return method and path of everything that the API says it does."""
    status, text = one.api("GET", "/openapi.json")
    assert status == 200
    paths = json.loads(text)["paths"]
    found = [(method.upper(), path) for path, item in paths.items() for method in item]
    return [(method, path) for method, path in found if method in {"GET", "POST", "PUT", "DELETE"}]


def below(path: str) -> str:
    return path.removeprefix(API)


def audited(one: Site) -> list[tuple[str, str, str]]:
    """Read the audit from the file itself, with another SQLite."""
    with closing(
        sqlite3.connect(f"file:{one.served.data / 'tinyforge.db'}?mode=ro", uri=True)
    ) as db:
        return list(db.execute("SELECT actor, action, target FROM audit ORDER BY id"))


def test_security_row_4_without_a_token_every_route_is_closed(server: Site) -> None:
    listed = routes(server)
    assert len(listed) > 30
    for method, path in listed:
        if path.startswith("/hooks") or path in {"/healthz", "/readyz"}:
            continue
        for headers in ({}, {"x-forwarded-for": "127.0.0.1"}, {"authorization": "Bearer "}):
            status, text = server.ask(method, path.replace("{", "").replace("}", ""), b"", headers)
            assert status == 401, (method, path, text)
    for path in ("/metrics", "/api", "/api/v1", "/api/v1/nowhere"):
        assert server.ask("GET", path)[0] in {401, 404}


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/", "/nowhere", "/api/v1/runs", "/metrics"]
)
def test_security_row_38_a_stranger_does_not_learn_the_version(server: Site, path: str) -> None:
    _, told = server.api("GET", "/openapi.json")
    version = json.loads(told)["info"]["version"]
    before = len(server.said)
    server.ask("GET", path)
    (said,) = list(server.said.values())[before:]
    assert version not in said
    assert "server:" not in said.lower()
    assert "uvicorn" not in said.lower()


@pytest.mark.parametrize("odd", TRAVERSALS, ids=lambda odd: odd[:24])
def test_security_row_12_no_spelling_in_a_path_reaches_a_file(server: Site, odd: str) -> None:
    for noun in ("triggers", "workloads", "bindings", "events", "runs", "deliveries"):
        for rest in ("", "/log", "/preview"):
            status, text = server.api("GET", f"/{noun}/{odd}{rest}")
            assert 400 <= status < 500, (noun, odd, rest, status)
            assert "root:" not in text
    assert server.api("DELETE", f"/triggers/{odd}")[0] in {400, 404, 405, 414, 422, 428}
    assert server.api("GET", "/triggers/nightly")[0] == 200


def test_security_row_33_of_many_changes_at_once_one_wins(server: Site) -> None:
    assert server.api("PUT", "/triggers/race", {"kind": "manual"})[0] == 201
    version = etag(server, "/triggers/race")

    def change(number: int) -> int:
        body = json.dumps({"kind": "schedule", "interval": f"{number + 1}h"}).encode()
        return server.ask(
            "PUT", f"{API}/triggers/race", body, {**of_admin(server), "if-match": version}
        )[0]

    before = len(audited(server))
    with ThreadPoolExecutor(AT_ONCE) as callers:
        statuses = Counter(callers.map(change, range(AT_ONCE)))

    assert statuses[200] == 1, statuses
    assert set(statuses) <= {200, 409, 412}
    assert len(audited(server)) == before + 1


def of_admin(one: Site) -> dict[str, str]:
    return {"authorization": f"Bearer {one.token}", "content-type": "application/json"}


def etag(one: Site, path: str) -> str:
    one.api("GET", path)
    headers = list(one.said.values())[-1]
    (line,) = [line for line in headers.splitlines() if line.lower().startswith("etag:")]
    return line.partition(":")[2].strip()


def versioned(one: Site, method: str, path: str, body: object = None) -> int:
    sent = None if body is None else json.dumps(body).encode()
    return one.ask(method, API + path, sent, {**of_admin(one), "if-match": etag(one, path)})[0]


def run_of(one: Site, workload: str) -> str:
    status, text = one.api("POST", f"/workloads/{workload}/deploy", {})
    assert status == 200, text
    return str(json.loads(text)["results"][0]["run"])


def changes(one: Site) -> Iterator[tuple[str, int]]:
    """Change something by each route that can, once; yield the route and its status."""
    yield (
        "PUT /workloads/{name}",
        one.api("PUT", "/workloads/w", {"kind": "command", "command": ["true"]})[0],
    )
    yield "PUT /triggers/{name}", one.api("PUT", "/triggers/t", {"kind": "manual"})[0]
    yield (
        "PUT /bindings/{name}",
        one.api("PUT", "/bindings/b", {"trigger": "t", "workload": "w"})[0],
    )
    yield (
        "PUT /triggers/{name}",
        versioned(one, "PUT", "/triggers/t", {"kind": "manual", "enabled": False}),
    )
    yield "POST /triggers/{name}/pause", one.api("POST", "/triggers/nightly/pause")[0]
    yield "POST /triggers/{name}/resume", one.api("POST", "/triggers/nightly/resume")[0]
    yield "POST /triggers/{name}/fire", one.api("POST", "/triggers/button/fire", {})[0]
    yield "POST /workloads/{name}/deploy", one.api("POST", "/workloads/w/deploy", {})[0]
    yield "DELETE /bindings/{name}", versioned(one, "DELETE", "/bindings/b")
    yield "POST /tokens", one.api("POST", "/tokens", {"role": "viewer", "name": "one"})[0]
    yield "POST /tokens/{name}/revoke", one.api("POST", "/tokens/one/revoke")[0]
    run = run_of(one, "slow")
    yield "POST /workloads/{name}/deploy", 200
    yield "POST /runs/{run_id}/cancel", one.api("POST", f"/runs/{run}/cancel")[0]
    one.served.wait_until(lambda: is_over(one, run), f"{run} is over")
    yield "POST /runs/{run_id}/retry", one.api("POST", f"/runs/{run}/retry")[0]


def is_over(one: Site, run: str) -> bool:
    return bool(json.loads(one.api("GET", f"/runs/{run}")[1])["run"]["ended_at"])


def test_security_row_36_every_change_leaves_one_entry_and_every_refusal_none(server: Site) -> None:
    count = len(audited(server))
    for route, status in changes(server):
        entries = audited(server)
        assert status in {200, 201, 204}, (route, status)
        made = entries[count:]
        if made[0][1] == "bind_workload":  # of the first deploy, which changes the config too
            assert "deploy" in route
            del made[0]
        assert len(made) == 1, (route, made)
        assert made[0][0].startswith("token:")
        count = len(entries)
    server.ask("POST", f"{API}/triggers/button/fire", b"{}")
    server.api("POST", "/triggers/nowhere/fire", {})
    server.api("PUT", "/triggers/nightly", {"kind": "manual"})
    server.api("PUT", f"/triggers/{quote('Ä')}", {"kind": "manual"})
    assert len(audited(server)) == count


def test_security_row_36_the_database_itself_refuses_to_forget(server: Site) -> None:
    path = server.served.data / "tinyforge.db"
    with closing(sqlite3.connect(path, timeout=20)) as db:
        for forget in ("DELETE FROM audit", "UPDATE audit SET actor = 'nobody'"):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(forget)
