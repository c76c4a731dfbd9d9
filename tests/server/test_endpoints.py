"""A trigger's address, how its provider is told, and trying it out: on a server, by commands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.cli.calls import Calls, Said
from tests.inbound.sending import hex_of
from tests.server.place import Place, Server
from tinyforge.operations.answers import ExportView
from tinyforge.operations.views import Page, SampleView, SetupView, TriggerDetail, TriggerView
from tinyforge.store.sqlite.store import SqliteStore
from tinyforge.testing.clock import MovableClock

pytestmark = pytest.mark.slow
T = TypeVar("T")

BASE = "https://ci.example.org/forge"
OLD, NEW = "the secret until yesterday", "the secret from today on"
HUB = "h" * 43
MANIFEST = f"""\
workloads:
  site: {{kind: command, command: ["true"]}}
  docs: {{kind: command, command: ["true"]}}
triggers:
  push: {{kind: github, secret: ["${{env:NEW}}", "${{env:OLD}}"]}}
  hub: {{kind: dockerhub, endpoint: "{HUB}", max_body: 1KiB}}
  off: {{kind: github, secret: "${{env:NEW}}", enabled: false}}
  stored: {{kind: distribution, secret: "${{env:NEW}}"}}
  nightly: {{kind: schedule, cron: "0 3 * * *"}}
bindings:
  - {{trigger: push, workload: site, match: {{branch: main, paths: ["web/**"]}}}}
  - {{trigger: push, workload: docs, match: {{branch: docs}}}}
  - {{trigger: hub, workload: site}}
  - {{trigger: off, workload: site}}
  - {{trigger: stored, workload: site, match: {{image: "registry.acme.test/lib/*"}}}}
  - {{trigger: stored, workload: docs, match: {{image: ["registry.acme.test:5000/web/site"]}}}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("endpoints"))
    place.write(MANIFEST)
    return place


@pytest.fixture(scope="module")
def server(place: Place) -> Iterator[Server]:
    with place.serving(TINYFORGE_BASE_URL=BASE, NEW=NEW, OLD=OLD) as server:
        yield server


@pytest.fixture
def call(server: Server, place: Place, capsys: pytest.CaptureFixture[str]) -> Calls:
    return Calls(capsys, place.data)


def done(call: Calls, *words: str) -> Said:
    said = call(*words)
    assert said.code == 0, said
    return said


def url_of(call: Calls, trigger: str) -> str:
    return done(call, "trigger", "url", trigger).lines[0]


def shown(call: Calls, trigger: str) -> TriggerDetail:
    return decoded(done(call, "trigger", "show", trigger, "--json").out, TriggerDetail)


def decoded(text: str, kind: type[T]) -> T:
    return msgspec.json.decode(text, type=kind)


def post(server: Server, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    """Send as a provider does, past the proxy that the base URL stands for."""
    path = "/hooks/" + urlsplit(url).path.rpartition("/")[2]
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("POST", path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def push(secret: str, identity: str) -> tuple[bytes, dict[str, str]]:
    """Give GitHub's push, signed by `openssl`."""
    body = json.dumps(
        {
            "ref": "refs/heads/main",
            "before": "a" * 40,
            "after": "b" * 40,
            "repository": {"full_name": "acme/site"},
            "commits": [{"id": "b" * 40, "added": ["web/a"]}],
        }
    ).encode()
    return body, {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": identity,
        "X-Hub-Signature-256": f"sha256={hex_of(secret, body)}",
    }


def test_the_url_is_the_first_line_and_then_what_to_enter(call: Calls) -> None:
    said = done(call, "trigger", "url", "push")
    url, empty, *steps = said.lines
    assert url.startswith(f"{BASE}/hooks/")
    assert len(url.rpartition("/")[2]) == 22
    assert empty == ""
    assert f"2. Payload URL: {url}" in steps
    secret = "the value of ${env:NEW} or, while you change it, the value of ${env:OLD}"
    assert f"4. Secret: {secret}" in steps
    assert "TINYFORGE_BASE_URL" not in said.err
    assert NEW not in said.out + said.err


def test_a_file_to_write_is_one_step_that_can_be_copied(call: Calls) -> None:
    steps = done(call, "trigger", "url", "stored").lines[2:]
    assert steps[0] == "1. in the registry's config.yml write:"
    assert steps[1:4] == ["notifications:", "  endpoints:", "    - name: tinyforge"]
    assert steps[-2].startswith("        Authorization: [")
    assert steps[-1] == "2. start the registry again"


def test_programs_read_the_same(call: Calls) -> None:
    view = decoded(done(call, "trigger", "url", "hub", "--json").out, SetupView)
    assert view.endpoint.url == f"{BASE}/hooks/{HUB}"
    assert (view.endpoint.unsigned, view.endpoint.generated) == (True, False)
    assert view.hint is None


def test_a_trigger_that_receives_nothing_has_no_url(call: Calls) -> None:
    said = call("trigger", "url", "nightly")
    assert said.code == 1
    assert "nightly is of kind schedule, which takes no webhooks" in said.err
    assert "fix: tinyforge trigger fire nightly" in said.err
    assert "did you mean 'push'?" in call("trigger", "url", "pusch").err


def test_what_signs_nothing_is_marked(call: Calls) -> None:
    lines = done(call, "trigger", "list").lines
    assert any(line.startswith("hub") and "dockerhub, unsigned" in line for line in lines)
    assert not any(line.startswith("push") and "unsigned" in line for line in lines)
    assert "unsigned: whoever has the URL can send" in done(call, "trigger", "show", "hub").out
    views = decoded(done(call, "trigger", "list", "--json").out, Page[TriggerView])
    assert {view.name for view in views.items if view.unsigned} == {"hub"}


def test_a_sample_is_rehearsed_and_leaves_nothing(call: Calls, place: Place) -> None:
    said = done(call, "trigger", "test", "push", "--fact", "files=web/a.js,b.md")
    assert "sent: push of refs/heads/main, to http://127.0.0.1:" in said.out
    assert "answered: 202 accepted" in said.out
    assert [line.split(None, 2) for line in said.lines[4:]] == [
        ["push.site", "matched", "push main matched"],
        ["push.docs", "not_matched", "branch is main, not docs"],
    ]
    assert "it was rehearsed: nothing is stored, nothing deployed; --deploy does both" in said.err
    again = "trigger test push --deploy --fact commit=COMMIT --fact files=web/a.js,b.md"
    assert said.last.startswith(f"next: tinyforge {again}")
    assert shown(call, "push").events == []


def test_a_sample_may_be_the_first_that_needs_a_typed_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path)
    place.write("triggers:\n  push: {kind: github, secret: typed into the manifest}\n")
    with place.serving():
        said = done(Calls(capsys, place.data), "trigger", "test", "push")
    assert "answered: 202 accepted" in said.out or "answered: 200" in said.out


def test_a_sample_says_what_it_is_asked_to_say(call: Calls) -> None:
    docs = done(call, "trigger", "test", "push", "--fact", "branch=docs", "--json").out
    view = decoded(docs, SampleView)
    assert {one.binding: one.outcome for one in view.bindings} == {
        "push.site": "not_matched",
        "push.docs": "matched",
    }
    tag = done(call, "trigger", "test", "push", "--event", "tag", "--fact", "tag=v2")
    assert "tag of refs/tags/v2" in tag.out
    assert "event is tag, not push" in tag.out


def test_a_sample_of_an_image_is_of_one_that_a_rule_names(call: Calls) -> None:
    view = decoded(done(call, "trigger", "test", "stored", "--json").out, SampleView)
    assert view.says == "image of registry.acme.test:5000/web/site:latest"
    assert {one.binding: one.outcome for one in view.bindings} == {
        "stored.site": "not_matched",
        "stored.docs": "matched",
    }
    again = "trigger test stored --deploy --fact image=registry.acme.test:5000/web/site"
    assert view.next_command == f"tinyforge {again}"
    other = done(call, "trigger", "test", "stored", "--fact", "image=registry.acme.test/lib/a")
    assert "registry.acme.test/lib/a:latest" in other.out


def test_a_sample_is_deployed_where_that_is_asked_for(call: Calls) -> None:
    view = decoded(done(call, "trigger", "test", "hub", "--deploy", "--json").out, SampleView)
    (decision,) = view.bindings
    assert (view.deployed, decision.outcome) == (True, "matched")
    assert decision.run is not None
    assert view.event_id is not None
    assert decision.run in done(call, "event", "show", view.event_id).out
    audit = done(call, "audit", "list").out
    assert "test_trigger" in audit
    assert view.says == "image of docker.io/example/site:latest"
    assert " example/site:latest " in done(call, "event", "list").out


def test_a_sample_for_a_disabled_trigger_says_so(call: Calls) -> None:
    said = done(call, "trigger", "test", "off")
    assert "answered: 200 disabled: the trigger is disabled" in said.out
    assert "nothing was decided for any binding" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("push", "--event", "image,"), "it never sends 'image,'; it sends push, tag"),
        (("hub", "--event", "push"), "it never sends 'push'; it sends image"),
        (("push", "--fact", "brnch=main"), "no fact 'brnch'; known: repository, branch, tag"),
        (("push", "--fact", "branch"), "--fact branch: no NAME=VALUE; write --fact branch=main"),
        (("nightly",), "nightly is of kind schedule, which takes no webhooks"),
    ],
)
def test_a_sample_that_cannot_be_is_refused(call: Calls, words: tuple[str, ...], said: str) -> None:
    refused = call("trigger", "test", *words)
    assert refused.code == (2 if "--fact" in words else 1)
    assert said in refused.err


def test_each_secret_shows_when_it_was_last_used(call: Calls, server: Server) -> None:
    body, headers = push(OLD, "1")
    status, _ = post(server, url_of(call, "push"), body, headers)
    assert status == 202
    uses: list[str | None] = []

    def is_shown() -> bool:
        endpoint = shown(call, "push").endpoint
        assert endpoint is not None
        uses[:] = [one.last_used_at for one in endpoint.secrets]
        return uses[1] is not None

    server.until(is_shown, "the use of the second secret is shown")
    assert uses[0] is None
    out = done(call, "trigger", "show", "push").out
    assert "secret 1  ${env:NEW}, last used never" in out
    assert "secret 2  ${env:OLD}, last used 20" in out


def test_what_was_too_large_is_shown_with_its_size(call: Calls, server: Server) -> None:
    status, said = post(server, url_of(call, "hub"), b"x" * 2_000, {})
    assert status == 413, said

    def is_shown() -> bool:
        return "too large  2 KiB, refused 20" in done(call, "trigger", "show", "hub").out

    server.until(is_shown, "the size is shown on the trigger")


def test_a_secret_address_is_for_admins_alone(call: Calls, server: Server) -> None:
    for role in ("viewer", "deployer"):
        token = server.token(role)
        status, text = ask(server, "/api/v1/triggers/hub", token)
        assert status == 200
        assert HUB not in text
        assert "its URL is a secret, which admins alone see" in text
        status, text = ask(server, "/api/v1/triggers/hub/endpoint", token)
        assert status == 403
        assert HUB not in text
        status, text = ask(server, "/api/v1/triggers/push/endpoint", token)
        assert status == 200
        assert f"{BASE}/hooks/" in text
        status, text = ask(server, "/api/v1/manifest/export?endpoints=true", token)
        assert status == 403
        status, text = ask(server, "/api/v1/manifest/export", token)
        assert status == 200
        assert HUB not in text
    status, text = ask(server, "/api/v1/triggers/hub/endpoint", server.token("admin"))
    assert status == 200
    assert HUB in text


def test_an_export_has_the_addresses_and_plans_as_no_change(
    call: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEW", NEW)
    monkeypatch.setenv("OLD", OLD)
    for words in (("--name", "default"), ("--name", "default", "--endpoints")):
        text = decoded(done(call, "export", *words, "--json").out, ExportView).text
        assert url_of(call, "push").rpartition("/")[2] in text
        assert (HUB in text) == ("--endpoints" in words)
        file = tmp_path / "export.yaml"
        file.write_text(text)
        assert "nothing to change" in done(call, "plan", str(file)).out


def test_no_log_has_an_address_and_no_file_the_secret_one(
    call: Calls, server: Server, place: Place
) -> None:
    signed = url_of(call, "push").rpartition("/")[2]
    post(server, f"/hooks/{HUB}", b"{", {"Content-Type": "application/json"})
    post(server, f"/hooks/{signed}", b"{", {"Content-Type": "application/json"})
    log = (place.folder / "server.log").read_text()
    assert signed not in log
    assert HUB not in log
    for file in place.data.rglob("*"):
        if file.is_file():
            assert HUB.encode() not in file.read_bytes(), file


def ask(server: Server, path: str, token: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


async def make_file(folder: Path) -> None:
    async with SqliteStore.open(folder, MovableClock()):
        """Leave what a server's first start leaves."""


def test_without_a_server_the_file_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEW", NEW)
    monkeypatch.setenv("OLD", OLD)
    place = Place(tmp_path, capsys)
    asyncio.run(make_file(place.data))
    place.write(MANIFEST)
    applied = place.done("apply", str(place.manifest)).out
    assert "new endpoint: the sender must be told; tinyforge trigger url push" in applied
    assert "unsigned: whoever has its URL can send" in applied
    assert HUB not in applied
    said = place.done("trigger", "url", "hub")
    assert said.lines[0] == f"http://127.0.0.1:8270/hooks/{HUB}"
    assert "TINYFORGE_BASE_URL is not set" in said.err
    before = place.done("trigger", "url", "push").lines[0]
    assert "nothing to change" in place.done("apply", str(place.manifest)).out
    assert place.done("trigger", "url", "push").lines[0] == before
    assert "no server answers" in place.call("trigger", "test", "push").err
