"""Who is let in, with what, and what is kept of it: rows 3, 4, 16, 23, 36 and 38."""

from __future__ import annotations

import asyncio
import base64
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from litestar import Litestar, get

from tests.operations.house import ME, SITE, House, open_house
from tests.web.knocking import API, HERE, Door, open_door
from tinyforge.clock import SystemClock
from tinyforge.errors import Refused, Unproved
from tinyforge.operations.admission import Admission
from tinyforge.operations.audit import Auditor
from tinyforge.operations.callers import Permission
from tinyforge.operations.credentials import AuditView, TokenRequest
from tinyforge.operations.tokens import Tokens
from tinyforge.operations.views import Page
from tinyforge.store.postgres.house import House as Around
from tinyforge.store.postgres.store import PostgresStore
from tinyforge.web.access import refuse_undeclared
from tinyforge.web.gate import BareMetrics

EVIL = "evil.example"


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        await house.apply()
        await house.pass_time(0)
        yield house


@pytest.fixture
def door(house: House) -> Door:
    return open_door(house)


# --- row 3: no route without a permission


def test_security_row_3_a_route_that_declares_nothing_stops_the_start() -> None:
    @get("/api/v1/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "everything"

    @get("/api/v1/mistyped", opt={"permission": "read"}, sync_to_thread=False)
    def mistyped() -> str:
        return "everything"

    @get("/api/v1/declared", opt={"permission": Permission.READ}, sync_to_thread=False)
    def declared() -> str:
        return "something"

    app = Litestar([forgotten, mistyped, declared], openapi_config=None)
    with pytest.raises(Refused) as refused:
        refuse_undeclared(app)
    assert refused.value.problem.endswith(": /api/v1/forgotten, /api/v1/mistyped")


def test_security_row_3_a_handler_is_not_open_for_being_called_like_an_automatic_one() -> None:
    @get("/api/v1/sly", sync_to_thread=False)
    def options_handler() -> str:
        return "everything"

    with pytest.raises(Refused, match="/api/v1/sly"):
        refuse_undeclared(Litestar([options_handler], openapi_config=None))


# --- row 4: closed from the start


async def test_security_row_4_a_new_server_lets_nobody_in_and_says_how_to_begin(
    door: Door,
) -> None:
    for method, path, _ in door.routes():
        answer = await door.knock(method, path)
        assert answer.status == 401, path
        assert answer.problem.fix == "tinyforge token create --role admin"
        assert "the first is made on the server's machine" in answer.problem.detail
    await door.token("viewer")
    later = (await door.knock("GET", f"{API}/triggers")).problem
    assert (later.detail, "Bearer" in later.fix) == ("this needs a token", True)


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_security_row_4_a_loopback_peer_is_a_stranger(door: Door, peer: str) -> None:
    assert (await door.knock("GET", f"{API}/triggers", peer=peer)).status == 401


async def test_security_row_4_no_two_servers_share_a_secret(tmp_path: Path) -> None:
    made = set()
    for name in ("one", "other"):
        async with open_house(tmp_path / name) as house:
            made |= {await open_door(house).token("admin") for _ in range(3)}
    assert len(made) == 6
    assert all(len(base64.urlsafe_b64decode(token[4:] + "=")) == 32 for token in made)


# --- row 16: tokens


async def test_security_row_16_a_copy_of_the_database_holds_no_token_that_works(
    door: Door, house: House
) -> None:
    token = await door.token("admin")
    assert (await door.knock("GET", f"{API}/tokens", token)).status == 200
    secret = token.removeprefix("tft_")
    raw = base64.urlsafe_b64decode(secret + "=")
    written = b"".join(path.read_bytes() for path in house.folder.iterdir() if path.is_file())
    said = (await door.knock("GET", f"{API}/tokens", token)).body
    said += (await door.knock("GET", f"{API}/audit", token)).body
    for form in (token.encode(), secret[8:].encode(), raw, raw.hex().encode()):
        assert form not in written
        assert form not in said
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-binary"],
        input=token.encode(),
        capture_output=True,
        check=True,
    )
    assert done.stdout in written, "it is there as its SHA-256, or this test looks at nothing"


async def test_security_row_16_only_the_whole_token_is_one(door: Door) -> None:
    token = await door.token("admin")
    for wrong in (token[:-1], token + "A", token.upper(), token[4:], "tft_", "", "é" * 47):
        assert (await door.knock("GET", f"{API}/tokens", wrong)).status == 401, wrong
    for scheme in ("Basic", "Token", "bearerx", ""):
        header = ("authorization", f"{scheme} {token}".strip())
        assert (await door.knock("GET", f"{API}/tokens", None, header)).status == 401, scheme
    twice = ("authorization", f"Bearer {token}")
    assert (await door.knock("GET", f"{API}/tokens", token, twice)).status == 401
    assert (await door.knock("GET", f"{API}/tokens?token={token}")).status == 401
    assert (await door.knock("GET", f"{API}/tokens", None, ("cookie", f"t={token}"))).status == 401
    assert (await door.knock("GET", f"{API}/tokens", token)).status == 200


async def test_security_row_16_what_one_replica_revokes_no_other_takes_again(url: str) -> None:
    clock = SystemClock()
    around = Around(clock=clock, version="1.0")
    async with PostgresStore.open(url, around) as one, PostgresStore.open(url, around) as other:
        tokens = Tokens(one, Auditor(one, clock), clock)
        made = await tokens.create(TokenRequest(role="admin", name="ci"), ME)
        elsewhere = Admission(other, clock)
        over = asyncio.Event()

        async def ask_without_end() -> str:
            """Say how a call ends that began after the token was revoked."""
            while True:
                was_over = over.is_set()
                try:
                    await elsewhere.caller_of(made.secret, HERE)
                except Unproved as refused:
                    return refused.reason
                if was_over:
                    return "taken"

        asking = [asyncio.create_task(ask_without_end()) for _ in range(20)]
        await elsewhere.caller_of(made.secret, HERE)
        await tokens.revoke("ci", ME)
        over.set()
        async with asyncio.timeout(1):
            assert set(await asyncio.gather(*asking)) == {"revoked"}


# --- row 23: what proxies and senders claim

CLAIMS = (
    ("host", EVIL),
    ("x-forwarded-host", EVIL),
    ("x-forwarded-proto", "gopher"),
    ("x-forwarded-port", "6666"),
    ("forwarded", f"for=6.6.6.6;host={EVIL}"),
    ("x-real-ip", "6.6.6.6"),
    ("x-original-url", "/healthz"),
    ("x-forwarded-prefix", f"//{EVIL}"),
)
FORGED = "6.6.6.6"
PROXY = "10.0.0.7"
TRUSTED = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("trusted", "peer", "hops", "source"),
    [
        ((), HERE, [FORGED], HERE),
        ((), "127.0.0.1", [FORGED], "127.0.0.1"),
        ((), PROXY, [FORGED], PROXY),
        (TRUSTED, HERE, [FORGED], HERE),
        (TRUSTED, PROXY, [], PROXY),
        (TRUSTED, PROXY, [HERE], HERE),
        (TRUSTED, PROXY, [f"{FORGED}, {HERE}"], HERE),
        (TRUSTED, PROXY, [FORGED, HERE], HERE),
        (TRUSTED, PROXY, [f"{FORGED}, {HERE}, 10.9.9.9"], HERE),
        (TRUSTED, PROXY, ["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
        (TRUSTED, PROXY, [f"{HERE}:4711"], HERE),
        (TRUSTED, PROXY, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (TRUSTED, PROXY, ["2001:DB8:0::1"], "2001:db8::1"),
        (TRUSTED, PROXY, [f"::ffff:{HERE}"], HERE),
        (TRUSTED, f"::ffff:{PROXY}", [HERE], HERE),
        (TRUSTED, "fd00::7", [HERE], HERE),
        (TRUSTED, PROXY, [f"{FORGED}, nonsense"], PROXY),
        (TRUSTED, PROXY, [f"{HERE}, , 10.9.9.9"], "10.9.9.9"),
        (TRUSTED, PROXY, ["x" * 10_000], PROXY),
        (TRUSTED, PROXY, [", ".join([FORGED, *["10.1.1.1"] * 100])], "10.1.1.1"),
    ],
)
async def test_security_row_23_the_source_is_what_can_be_trusted(
    house: House, trusted: tuple[str, ...], peer: str, hops: list[str], source: str
) -> None:
    door = open_door(house, *trusted)
    token = await door.token("deployer")
    headers = [("x-forwarded-for", hop) for hop in hops]
    fired = await door.knock("POST", f"{API}/triggers/button/fire", token, *headers, peer=peer)
    assert fired.status == 200
    assert (await house.doors.audit.find(ME)).items[0].source == source


async def test_security_row_23_nothing_that_is_said_is_built_from_what_a_sender_claims(
    door: Door,
) -> None:
    token = await door.token("admin")
    for method, path, permission in door.routes():
        if method == "GET" and permission is Permission.READ and "stream" not in path:
            asked = path.replace("{name:str}", "often")
            answer = await door.knock(method, asked, token, *CLAIMS)
            said = answer.body + repr(answer.headers).encode()
            assert EVIL.encode() not in said, path
            assert b"gopher" not in said, path
    assert (await door.knock("GET", f"{API}/triggers", None, *CLAIMS)).status == 401


# --- row 36: the audit

CHANGED = SITE + "  - {trigger: button, workload: site, name: second}\n"
STEPS: tuple[tuple[str, str, object], ...] = (
    ("PUT", "/triggers/{name:str}", {"kind": "github", "secret": "0123456789abcdef" * 2}),
    ("POST", "/key/rotate", {}),
    ("PUT", "/workloads/{name:str}", {"kind": "command", "command": ["true"]}),
    ("PUT", "/bindings/{name:str}", {"trigger": "new", "workload": "new"}),
    ("DELETE", "/bindings/{name:str}", None),
    ("DELETE", "/triggers/{name:str}", None),
    ("DELETE", "/workloads/{name:str}", None),
    ("POST", "/manifest/apply", {"source": "site.yaml", "text": CHANGED}),
    ("POST", "/triggers/often/pause", {}),
    ("POST", "/triggers/often/resume", {}),
    ("POST", "/triggers/button/fire", {}),
    ("POST", "/workloads/site/deploy", {}),
    ("POST", "/runs/{run_id:str}/cancel", {}),
    ("POST", "/runs/{run_id:str}/retry", {}),
    ("POST", "/tokens", {"role": "viewer", "name": "new"}),
    ("POST", "/tokens/new/revoke", {}),
)
ELSEWHERE = {  # what a delivery must be there for: tests of deliveries and endpoints look at these
    ("POST", f"{API}/triggers/{{name:str}}/test"),
    ("POST", f"{API}/deliveries/{{delivery_id:str}}/replay"),
}


async def test_security_row_36_every_change_leaves_one_entry_that_says_who_and_whence(
    door: Door, house: House
) -> None:
    token, run, seen = await door.token("admin", name="boss"), "", set()
    for method, route, body in STEPS:
        before = (await house.doors.audit.find(ME)).items
        path = API + route.replace("{name:str}", "new").replace("{run_id:str}", run)
        version = [("if-match", "*")] if method == "DELETE" else []
        answer = await door.knock(method, path, token, *version, body=body)
        assert answer.status in (200, 201, 204), (path, answer.body)
        after = (await house.doors.audit.find(ME)).items
        entries = after[: len(after) - len(before)]
        # the first deploy makes two changes: it binds the workload, and deploys it
        assert len(entries) == (2 if path.endswith("/deploy") else 1), path
        for entry in entries:
            assert (entry.actor, entry.source) == ("token:boss", HERE), path
            assert entry.action, path
            assert entry.target, path
        if path.endswith("/deploy"):
            run = msgspec.json.decode(answer.body)["results"][0]["run"]
        seen.add((method, declared(route)))
    changing = {
        (method, path)
        for method, path, permission in door.routes()
        if method != "GET" and permission in (Permission.DEPLOY, Permission.CONFIGURE)
    }
    assert changing - ELSEWHERE == seen


def declared(route: str) -> str:
    for name in ("/often/", "/button/", "/site/", "/new/"):
        route = route.replace(name, "/{name:str}/")
    return API + route


async def test_security_row_36_what_changes_nothing_leaves_no_entry(
    door: Door, house: House
) -> None:
    token = await door.token("admin")
    before = (await house.doors.audit.find(ME)).items
    for method, path, body in (
        ("POST", "/triggers/button/fire", {"dry_run": True}),
        ("POST", "/workloads/site/deploy", {"dry_run": True}),
        ("POST", "/manifest/plan", {"source": "site.yaml", "text": CHANGED}),
        ("POST", "/manifest/apply", {"source": "site.yaml", "text": SITE}),
        ("POST", "/triggers/often/resume", {}),
        ("POST", "/triggers/none/fire", {}),
        ("POST", "/tokens", {"role": "nobody"}),
        ("POST", "/tokens/nobody/revoke", {}),
        ("POST", "/doctor/sightings", {}),
    ):
        await door.knock(method, API + path, token, body=body)
        assert (await house.doors.audit.find(ME)).items == before, path


async def test_security_row_36_the_audit_says_what_it_was_and_what_it_became(house: House) -> None:
    await house.apply(CHANGED)
    (entry,) = [
        one
        for one in (await house.doors.audit.find(ME)).items
        if one.action == "apply_manifest" and "1 changed" in one.after
    ]
    assert (entry.target, entry.at) == ("site.yaml", "2026-01-05T12:00:00Z")
    assert entry.before.startswith("sha256:")
    assert entry.after.startswith("sha256:")
    assert entry.before != entry.after.partition(",")[0]


async def test_security_row_36_the_audit_is_read_page_by_page(door: Door, house: House) -> None:
    token = await door.token("admin")
    for _ in range(5):
        await door.knock("POST", f"{API}/triggers/button/fire", token)
    asked, found = f"{API}/audit?limit=3", list[AuditView]()
    while True:
        answer = await door.knock("GET", asked, token)
        page = msgspec.json.decode(answer.body, type=Page[AuditView])
        found.extend(page.items)
        if page.next is None:
            break
        asked = f"{API}/audit?limit=3&before={page.next}"
    assert found == list((await house.doors.audit.find(ME)).items)
    assert len(found) > 6


# --- row 38: what is open


async def test_security_row_38_metrics_need_a_token_for_them(door: Door) -> None:
    statuses = {
        role: (await door.knock("GET", "/metrics", await door.token(role))).status
        for role in ("metrics", "viewer", "deployer", "admin")
    }
    assert statuses == {"metrics": 200, "viewer": 403, "deployer": 403, "admin": 200}
    assert (await door.knock("GET", "/metrics")).status == 401
    assert (await door.knock("GET", f"{API}/triggers", await door.token("metrics"))).status == 403


async def test_security_row_38_a_stranger_hears_yes_or_no_and_nothing_else(door: Door) -> None:
    assert (await door.knock("GET", "/healthz")).body == b'{"ok":true}'
    unready = await door.knock("GET", "/readyz")
    assert (unready.status, unready.body) == (503, b'{"ready":false}')
    for path in ("/", "/api/v1/openapi.json", "/api/v1/nothing", "/debug", "/docs", "/schema"):
        answer = await door.knock("GET", path)
        assert answer.status == 401, path
        assert b"1.0" not in answer.body, path
        assert "server" not in answer.headers, path


async def test_security_row_38_the_bare_address_has_metrics_and_nothing_else(door: Door) -> None:
    bare = Door(door.house, BareMetrics(door.app.probes), [])  # type: ignore[arg-type]
    assert (await bare.knock("GET", "/metrics")).body == b"up 1\n"
    for method, path in (("POST", "/metrics"), ("GET", f"{API}/triggers"), ("GET", "/healthz")):
        assert (await bare.knock(method, path)).status == 404, path
