"""No secret in any log, answer, metric, text of the database, backup or list of processes.

A canary is planted in every place that holds a secret. Everything a real server does is then done,
rightly and wrongly, and whatever it left or said is searched, also within what is compressed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import asyncpg
import pytest

from tests.inbound.forges import gitea_push, github_push, gitlab_push
from tests.inbound.registries import docker_hub
from tests.postgres import execute, within
from tests.security.site import Echo, Site, echo, forms, github, planted, signature, site

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError, decompress
else:
    from backports.zstd import ZstdError, decompress

OPEN = "canary-in-the-open"  # no secret: it must be found everywhere, or the search finds nothing
ZSTD = bytes.fromhex("28b52ffd")
MANIFEST = """
version: 1
workloads:
  {open}: {{kind: command, command: ["sh", "{script}", "{spied}", "{open}"], env: {{PASSWORD: "${{env:PASSWORD}}", BRANCH: {{event: /branch}}}}}}
  fails: {{kind: command, command: ["sh", "-c", "echo $PASSWORD >&2; exit 3"], env: {{PASSWORD: "${{file:{folder}/password}}"}}}}
  calls: {{kind: http, url: "http://user:${{env:LOGIN}}@{echo}/?key=${{env:QUERY}}", headers: {{Authorization: "Bearer ${{env:BEARER}}"}}, body: {{token: "${{file:{folder}/body}}", branch: {{event: /branch}}}}}}
  refused: {{kind: http, url: "http://{echo}/fail/${{env:PATH_SECRET}}", headers: {{X-Key: "${{env:BEARER}}"}}}}
  unreached: {{kind: http, url: "http://${{env:LOGIN}}@127.0.0.1:1/${{env:PATH_SECRET}}"}}
triggers:
  hub: {{kind: github, secret: "${{env:GITHUB}}", endpoint: {endpoint}}}
  lab: {{kind: gitlab, secret: "${{file:{folder}/gitlab}}", endpoint: "${{env:LAB_ENDPOINT}}"}}
  tea: {{kind: gitea, secret: "{literal}"}}
  two: {{kind: gitea, secret: ["{older}", "{newer}"]}}
  any: {{kind: webhook, proof: bearer, secret: "${{env:ANY}}"}}
  image: {{kind: dockerhub, endpoint: "${{env:IMAGE_ENDPOINT}}"}}
  made: {{kind: quay}}
  button: {{kind: manual}}
bindings:
  - {{trigger: hub, workload: {open}, match: {{branch: "**"}}}}
  - {{trigger: hub, workload: fails, match: {{branch: "**"}}}}
  - {{trigger: hub, workload: calls, match: {{branch: "**"}}}}
  - {{trigger: hub, workload: refused, match: {{branch: "**"}}}}
  - {{trigger: hub, workload: unreached, match: {{branch: "**"}}}}
  - {{trigger: lab, workload: {open}}}
  - {{trigger: tea, workload: {open}}}
  - {{trigger: image, workload: {open}}}
  - {{trigger: any, workload: {open}}}
"""
SPY = """
echo "$PASSWORD"; echo "$BRANCH"
cat /proc/[0-9]*/cmdline 2>/dev/null >> "$1"
"""
HELD = ("github", "gitlab", "literal", "older", "newer", "any", "login", "query", "bearer")
HELD += ("password", "file_password", "body", "path", "heartbeat", "image_endpoint")
HELD += (
    "mistyped",
    "unknown_key",
    "third",
    "wrong_token",
    "wrong_secret",
    "wrong_bearer",
    "over_api",
    "database",
)


@dataclass
class Search:
    """What was planted, and where it turned up."""

    secrets: Mapping[str, str]
    found: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)  # in which the open canary was seen

    def look(self, place: str, kind: str, text: str | bytes) -> None:
        raw = text.encode(errors="replace") if isinstance(text, str) else text
        for name, secret in self.secrets.items():
            self.found += [
                f"{name} in {place}: …{raw[max(0, at - 80) : at + 60]!r}…"
                for form in forms(secret)
                if (at := raw.find(form.encode())) >= 0
            ]
        if OPEN.encode() in raw:
            self.places.add(kind)


def scripts(folder: Path, held: Mapping[str, str]) -> dict[str, str]:
    """Write the files that references name; return the environment that the others name."""
    (folder / "spy.sh").write_text(SPY)
    (folder / "gitlab").write_text(held["gitlab"])
    (folder / "password").write_text(held["file_password"])
    (folder / "body").write_text(held["body"])
    names = {"GITHUB": "github", "IMAGE_ENDPOINT": "image_endpoint"}
    names |= {"ANY": "any", "PASSWORD": "password", "LOGIN": "login", "QUERY": "query"}
    names |= {"BEARER": "bearer", "PATH_SECRET": "path"}
    return {variable: held[name] for variable, name in names.items()}


def deliver(one: Site, held: Mapping[str, str], endpoint: str, lab_endpoint: str) -> dict[str, str]:
    """Send what is right and what is wrong to every endpoint; return what proved or would have."""
    push = json.dumps(github_push(ref=f"refs/heads/{OPEN}")).encode()
    right = github(held["github"], push, "push", "1")
    status, text = one.hook(endpoint, push, right)
    assert status == 202, text
    assert one.hook(endpoint, push, right)[0] == 200
    other = json.dumps(github_push(ref="refs/heads/other")).encode()
    assert one.hook(endpoint, other, github(held["github"], other, "push", "1"))[0] == 200
    unsigned = {"x-github-event": "push", "x-github-delivery": "2"}
    assert one.hook(endpoint, other, unsigned)[0] == 401
    assert (
        one.hook(endpoint, other, unsigned | github(held["wrong_secret"], other, "push", "3"))[0]
        == 401
    )
    broken = b'{"a": 1, "a": 2}'
    assert one.hook(endpoint, broken, github(held["github"], broken, "push", "4"))[0] == 400

    lab = json.dumps(gitlab_push(ref=f"refs/heads/{OPEN}")).encode()
    assert one.hook(lab_endpoint, lab, {"x-gitlab-token": held["gitlab"]})[0] == 202
    assert one.hook(lab_endpoint, lab, {"x-gitlab-token": held["wrong_secret"]})[0] == 401
    image = json.dumps(docker_hub()).encode()
    assert one.hook(held["image_endpoint"], image, {})[0] == 202
    assert one.hook(held["image_endpoint"], b"{", {})[0] == 400
    assert one.ask("GET", f"/hooks/{held['image_endpoint']}")[0] == 405
    assert one.hook(f"{held['image_endpoint']}x", image, {})[0] == 404
    return {
        "the signature of a push": signature(held["github"], push),
        "the signature that a push should have had": signature(held["github"], other),
        "the same in base64": in_base64(signature(held["github"], other)),
        "the wrong signature": signature(held["wrong_secret"], other),
    }


def in_base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def deliver_to_unnamed(one: Site, held: Mapping[str, str]) -> None:
    """Send to endpoints that the server made up, which it tells an admin."""
    tea = json.dumps(gitea_push(ref=f"refs/heads/{OPEN}")).encode()
    signed = {"x-gitea-event": "push", "x-gitea-signature": signature(held["literal"], tea)}
    assert one.hook(endpoint_of(one, "tea"), tea, signed)[0] == 202
    bearer = {"authorization": f"Bearer {held['any']}"}
    assert one.hook(endpoint_of(one, "any"), b'{"a": 1}', bearer)[0] == 202
    wrong = {"authorization": f"Bearer {held['wrong_bearer']}"}
    assert one.hook(endpoint_of(one, "any"), b'{"a": 1}', wrong)[0] == 401


def try_again(one: Site) -> None:
    """Have a sample sent to every endpoint that signs, and replay what came."""
    for name in ("hub", "lab", "tea", "two", "any"):
        status, text = one.api("POST", f"/triggers/{name}/test", {})
        assert status == 200, text
    _, text = one.api("GET", "/deliveries?limit=100")
    first, *rest = json.loads(text)["items"]
    for row in rest:
        one.api("POST", f"/deliveries/{row['id']}/replay", {"dry_run": True})
    assert one.api("POST", f"/deliveries/{first['id']}/replay", {})[0] == 200


def endpoint_of(one: Site, trigger: str) -> str:
    """Return the path that was made up, which `trigger url` shows to who sets up the sender."""
    _, said = one.api("GET", f"/triggers/{trigger}/endpoint", keep=False)
    url: str = json.loads(said)["endpoint"]["url"]
    return url.rpartition("/hooks/")[2]


def call_wrongly(one: Site, held: Mapping[str, str]) -> None:
    """Make every mistake that has a secret in it."""
    for secret in ({"x": held["mistyped"]}, [held["third"]] * 3, [held["mistyped"], 1], ""):
        config = {"kind": "github", "secret": secret, "secrt": held["unknown_key"]}
        status, _ = one.api("PUT", "/triggers/bad", config)
        assert status in {400, 409, 422}
    manifest = f"version: 1\ntriggers:\n  bad: {{kind: github, secret: [{held['third']}, a, b], secrt: {held['unknown_key']}}}\n"
    for path in ("/manifest/plan", "/manifest/apply"):
        one.api("POST", path, {"manifest": manifest, "source": "bad.yaml"})
        one.api("POST", path, {"manifest": f"version: 1\ntriggers: [{held['third']}\n"})
        one.api("POST", path, {"manifst": held["mistyped"]})
    status, text = one.api("PUT", "/triggers/over", {"kind": "github", "secret": held["over_api"]})
    assert status in {200, 201}, text
    for token in (held["wrong_token"], f"tf_{held['wrong_token']}", ""):
        assert (
            one.ask("GET", "/api/v1/triggers", headers={"authorization": f"Bearer {token}"})[0]
            == 401
        )
    one.ask("GET", "/api/v1/nowhere", headers={"authorization": f"Basic {held['wrong_token']}"})
    one.ask("GET", "/metrics", headers={"authorization": f"Bearer {held['wrong_token']}"})


def read_everything(one: Site) -> None:
    """Ask every door for whatever it shows: some things to an admin, all others to a viewer."""
    for path in ("/tokens", "/audit", "/manifest/export", "/doctor"):
        assert one.api("GET", path)[0] == 200
    _, made = one.api("POST", "/tokens", {"role": "viewer", "name": "viewer"}, keep=False)
    one.token = json.loads(made)["secret"]
    for path in (
        *("/triggers", "/workloads", "/bindings", "/events", "/runs", "/deliveries"),
        *("/health", "/verify", "/preview"),
    ):
        assert one.api("GET", path)[0] == 200, path
    for name in ("hub", "lab", "tea", "two", "any", "image", "made", "over"):
        assert one.api("GET", f"/triggers/{name}")[0] == 200
    for name in (OPEN, "fails", "calls", "refused", "unreached"):
        assert one.api("GET", f"/workloads/{name}")[0] == 200
    for noun in ("runs", "events", "deliveries"):
        _, text = one.api("GET", f"/{noun}?limit=500")
        for row in json.loads(text).get("items", ()):
            one.api("GET", f"/{noun}/{row['id']}")
            more = {"runs": "log", "deliveries": "body"}.get(noun)
            assert more is None or one.api("GET", f"/{noun}/{row['id']}/{more}")[0] == 200
    one.ask("GET", "/metrics", headers={"authorization": f"Bearer {one.token}"})
    one.api("GET", "/openapi.json")
    for words in (["export"], ["doctor"], ["audit", "list"], ["delivery", "list"]):
        one.command(*words)


def cells(path: Path) -> Iterator[tuple[str, str | bytes]]:
    """Yield every text and blob of a file, each with its table."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as opened:
        names = opened.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (table,) in names:
            for row in opened.execute(f'SELECT * FROM "{table}"'):
                yield from ((table, cell) for cell in row if isinstance(cell, str | bytes))


async def cells_of_postgres(url: str) -> list[tuple[str, str | bytes]]:
    """Return every text and blob of a schema, each with its table."""
    opened = await asyncpg.connect(url)
    try:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        tables = [str(row[0]) for row in await opened.fetch(query)]
        return [
            (table, cell)
            for table in tables
            for row in await opened.fetch(f'SELECT * FROM "{table}"')
            for cell in row.values()
            if isinstance(cell, str | bytes)
        ]
    finally:
        await opened.close()


def search_cells(search: Search, database: str, found: Iterable[tuple[str, str | bytes]]) -> None:
    """Search cells, and what is compressed in them."""
    for table, cell in found:
        search.look(f"{database}, table {table}", database, cell)
        if isinstance(cell, bytes) and ZSTD in cell[:16]:
            with suppress(ZstdError):
                unpacked = decompress(cell[cell.index(ZSTD) :])
                search.look(f"{database}, table {table}, unpacked", "compressed", unpacked)


def search_files(search: Search, folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file() and file.name != "key":
            search.look(str(file.relative_to(folder)), "raw files", file.read_bytes())


@pytest.fixture(scope="module")
def held() -> Mapping[str, str]:
    return MappingProxyType({name: planted(name) for name in HELD})


@pytest.fixture(scope="module")
def searched(held: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Give what was found after one server has lived and was stopped."""
    folder = tmp_path_factory.mktemp("canaries")
    with echo() as outside:
        search = lived(folder, held, outside)
    for path in (folder / "data" / "tinyforge.db", folder / "backup.db"):
        search_cells(search, path.name, cells(path))
    search_files(search, folder / "data")
    return search


@pytest.fixture(scope="module")
def searched_on_postgres(
    held: Mapping[str, str], postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Search:
    """Do the same over a database elsewhere, whose address has a password in it."""
    folder = tmp_path_factory.mktemp("canaries")
    schema = f"canaries_{secrets.token_hex(4)}"
    asyncio.run(execute(postgres, f"CREATE SCHEMA {schema}"))
    (folder / "database").write_text(held["database"])
    login = f"postgres:${{file:{folder}/database}}@"
    url = within(postgres, schema).replace("postgres:@", login, 1)
    assert login in url
    with echo() as outside:
        search = lived(folder, held, outside, TINYFORGE_DATABASE=url)
    search_cells(search, "PostgreSQL", asyncio.run(cells_of_postgres(within(postgres, schema))))
    asyncio.run(execute(postgres, f"DROP SCHEMA {schema} CASCADE"))
    return search


def lived(folder: Path, held: Mapping[str, str], outside: Echo, **more: str) -> Search:
    """Return what of the secrets is in what a server has said. It was stopped then."""
    endpoint, lab, spied = planted("endpoint"), planted("lab"), folder / "spied"
    manifest = MANIFEST.format(
        folder=folder, echo=outside.url, endpoint=endpoint, script=folder / "spy.sh", spied=spied,
        open=OPEN, literal=held["literal"], older=held["older"], newer=held["newer"],
    )  # fmt: skip
    variables = scripts(folder, held) | {
        "LAB_ENDPOINT": lab,
        "TINYFORGE_HEARTBEAT_URL": f"http://{outside.url}/fail/{held['heartbeat']}",
        "TINYFORGE_LOG_LEVEL": "debug",
        **more,
    }
    with site(folder, manifest, variables) as one:
        found = driven(one, held, endpoint, lab)
        one.stop()
    search = Search({**held, **found})
    for who, said in one.said.items():
        search.look(who, "answers", said)
    search.look("the server's log", "log", one.log)
    search.look("processes", "processes", spied.read_bytes())
    paths = Search({"a path of an endpoint": endpoint, "another": lab, "any": "/hooks/"})
    paths.look("the server's log", "log", one.log)
    search.found += paths.found
    return search


def driven(one: Site, held: Mapping[str, str], endpoint: str, lab: str) -> dict[str, str]:
    """Do everything, rightly and wrongly; return the secrets that came to be by it."""
    found = deliver(one, held, endpoint, lab)
    deliver_to_unnamed(one, held)
    call_wrongly(one, held)
    try_again(one)
    one.until_over(9)
    found |= {"the endpoint that was made": endpoint_of(one, "made"), "the token": one.token}
    read_everything(one)
    one.command("backup", "--to", str(one.served.folder / "backup.db"))
    (key,) = [line for line in (one.served.data / "key").read_text().splitlines() if line[0] != "#"]
    return found | {"the token of a viewer": one.token, "the key": key.split()[-1]}


def test_security_row_15_no_secret_is_in_anything_that_a_server_leaves(searched: Search) -> None:
    assert searched.found == []


def test_what_is_no_secret_is_found_in_each_of_these_places(searched: Search) -> None:
    kinds = {"answers", "log", "processes", "tinyforge.db", "backup.db", "compressed", "raw files"}
    assert kinds <= searched.places


def test_security_row_15_no_secret_is_in_anything_that_a_replica_leaves(
    searched_on_postgres: Search,
) -> None:
    assert searched_on_postgres.found == []
    kinds = {"answers", "log", "processes", "PostgreSQL", "compressed"}
    assert kinds <= searched_on_postgres.places
