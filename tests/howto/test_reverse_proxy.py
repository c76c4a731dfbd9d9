"""nginx as the page says, before a real server."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import json

from tests.cli.calls import Calls
from tests.cli.certificates import Authority, authority
from tests.cli.served import PATIENCE, SOURCE, Served, serving
from tests.docs.tables import page, section
from tests.inbound.sending import hex_of
from tests.ports import free_port
from tests.torture.served import wait_until

pytestmark = pytest.mark.slow

SECRET = "a secret of this test alone"
CLIENT = "127.0.0.2"  # no proxy is there
MANIFEST = f"""\
version: 1
workloads:
  site: {{kind: command, command: [sh, -c, "echo deployed"]}}
triggers:
  push: {{kind: github, secret: "{SECRET}"}}
  by-hand: {{kind: manual}}
  nightly: {{kind: schedule, cron: "0 3 * * *"}}
bindings:
  - {{trigger: push, workload: site, match: {{branch: main}}}}
  - {{trigger: by-hand, workload: site}}
  - {{trigger: nightly, workload: site}}
"""
AROUND = """\
user root;
pid nginx.pid;
error_log error.log;
events {}
http {
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}
"""
PUSH = {
    "ref": "refs/heads/main",
    "before": "a" * 40,
    "after": "b" * 40,
    "repository": {"full_name": "acme/site"},
    "pusher": {"name": "ann"},
    "commits": [],
}


@dataclass(frozen=True)
class Site:
    """A server behind nginx, as its users see it."""

    url: str
    authority: Authority
    folder: Path
    served: Served
    token: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "TINYFORGE_URL": self.url,
            "TINYFORGE_TOKEN": self.token,
            "TINYFORGE_CA_FILE": str(self.authority.file),
        }

    def curl(self, path: str, *words: str) -> tuple[int, str]:
        """Return status and body of a call from another address than the proxy's."""
        program = shutil.which("curl")
        assert program is not None
        ours = ["-sS", "--cacert", str(self.authority.file), "--interface", CLIENT]
        asked = [program, *ours, "-w", "\n%{http_code}", *words, self.url + path]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=PATIENCE)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def deliver(self, path: str, body: bytes, number: int, *words: str) -> tuple[int, str]:
        """Send what GitHub would, signed."""
        (self.folder / "payload").write_bytes(body)
        headers = [
            "X-GitHub-Event: push",
            f"X-GitHub-Delivery: {number}",
            "Content-Type: application/json",
            f"X-Hub-Signature-256: sha256={hex_of(SECRET, body)}",
        ]
        given = [part for header in headers for part in ("-H", header)]
        return self.curl(path, *given, "--data-binary", f"@{self.folder / 'payload'}", *words)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, ours = tmp_path_factory.mktemp("site"), authority(tmp_path_factory.mktemp("ca"))
    port, behind = free_port(), free_port()
    (folder / "tinyforge.yaml").write_text(MANIFEST)
    settings = {
        "TINYFORGE_TRUSTED_PROXIES": "127.0.0.1",
        "TINYFORGE_BASE_URL": f"https://localhost:{port}",
    }
    config = ["--config", str(folder / "tinyforge.yaml")]
    with (
        serving(folder / "data", *config, listen=f"127.0.0.1:{behind}", **settings) as served,
        nginx(folder, ours, port, behind),
    ):
        yield Site(f"https://localhost:{port}", ours, folder, served, made_token(served))


@contextmanager
def nginx(folder: Path, ours: Authority, port: int, behind: int) -> Iterator[None]:
    """Run nginx with the page's text, for other ports and our certificate."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("needs nginx")
    certificate = ours.certificate("localhost")
    found = re.search(r"^```nginx\n(.*?)^```$", nginx_section(), re.MULTILINE | re.DOTALL)
    assert found
    text = found[1].replace(
        "listen [::]:443 ssl;\n", "" if has_no_ipv6() else "listen [::]:443 ssl;\n"
    )
    text = re.sub(r"(ssl_certificate) .*", rf"\1 {certificate};", text)
    text = re.sub(r"(ssl_certificate_key) .*", rf"\1 {certificate.with_suffix('.key')};", text)
    text = text.replace(":443", f":{port}").replace("listen 443", f"listen {port}")
    text = text.replace("8270", str(behind)).replace("forge.example.org", "localhost")
    (folder / "site.conf").write_text(text)
    (folder / "nginx.conf").write_text(AROUND)
    words = [program, "-p", folder, "-e", "error.log", "-c", "nginx.conf", "-g", "daemon off;"]
    with subprocess.Popen(words) as process:
        try:
            wait_until(lambda: answers(port), "nginx listens")
            yield
        finally:
            process.terminate()


def nginx_section() -> str:
    return section(page("howto/reverse-proxy.md"), "## nginx")


def has_no_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return False
    except OSError:
        return True


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def made_token(served: Served) -> str:
    words = ["token", "create", "--role", "admin", "--data", str(served.data)]
    done = tinyforge(words, {})
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


def tinyforge(words: Sequence[str], more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tinyforge", *words],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], site: Site) -> Calls:
    return Calls(capsys, site.served.data)


@pytest.fixture
def afar(monkeypatch: pytest.MonkeyPatch, site: Site, call: Calls) -> Calls:
    """Call commands for the server behind the proxy, as from another machine."""
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    return call


def endpoint(site: Site, call: Calls) -> str:
    """Return the path that `trigger url` prints."""
    url = call("trigger", "url", "push").lines[0]
    assert url.startswith(f"{site.url}/hooks/")
    return url.removeprefix(site.url)


def test_doctor_finds_nothing_wrong(site: Site, afar: Calls) -> None:
    said = afar.bare("doctor", "--url", site.url, "--json")
    checks = json.decode(said.out)["checks"]
    assert {one["name"]: one["verdict"] for one in checks} == {
        "encryption": "ok",
        "reachable": "ok",
        "same server": "ok",
        "webhooks": "ok",
        "large bodies": "ok",
        "client addresses": "ok",
    }
    assert "the certificate is good for" in said.out


def test_a_signed_push_is_deployed(site: Site, call: Calls) -> None:
    status, body = site.deliver(endpoint(site, call), json.encode(PUSH), 1)
    assert (status, json.decode(body)["bindings"][0]["outcome"]) == (202, "matched")


def test_a_push_of_20_mib_gets_through(site: Site, call: Calls) -> None:
    body = json.encode({**PUSH, "padding": "x" * (20 << 20)})
    assert site.deliver(endpoint(site, call), body, 2)[0] == 202


def test_what_is_not_signed_does_not(site: Site, call: Calls) -> None:
    status, _ = site.curl(endpoint(site, call), "-H", "X-GitHub-Event: push", "-d", "{}")
    assert status == 401


def test_a_client_is_known_by_its_own_address_whatever_it_says(site: Site, afar: Calls) -> None:
    spoofed = ["-H", "X-Forwarded-For: 198.51.100.7"]
    bearer = ["-H", f"Authorization: Bearer {site.token}", "-H", "Content-Type: application/json"]
    status, _ = site.curl("/api/v1/triggers/by-hand/fire", *spoofed, *bearer, "-d", "{}")
    assert status == 200
    told = afar.bare("audit", "list", "--limit", "1", "--json").out
    assert CLIENT in told
    assert "198.51.100.7" not in told


@pytest.mark.parametrize(
    "words",
    [
        "trigger list",
        "trigger show push",
        "trigger pause nightly",
        "trigger resume nightly",
        "trigger fire by-hand --dry-run",
        "trigger url push",
        "trigger test push",
        "workload list",
        "workload show site",
        "binding list",
        "event list",
        "delivery list",
        "run list",
        "preview --count 3",
        "simulate --to +1d",
        "explain nightly",
        "verify",
        "doctor",
        "export",
        "plan {manifest}",
        "apply {manifest}",
        "deploy site --dry-run",
        "token list",
        "audit list",
    ],
)
def test_every_command_works_from_afar(words: str, site: Site, afar: Calls) -> None:
    manifest = str(site.folder / "tinyforge.yaml")
    said = afar.bare(*words.format(manifest=manifest).split(), "--json")
    assert (said.code, said.err) == (0, "")
    assert json.decode(said.out)


def test_a_stream_is_not_held_back(site: Site, afar: Calls) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-m", "tinyforge", "watch", "--json"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with watching:
        try:
            assert watching.stdout is not None
            assert json.decode(watching.stdout.readline())["event"] == "ready"
            assert afar.bare("deploy", "site").code == 0
            assert json.decode(watching.stdout.readline())["event"] == "event"
        finally:
            watching.terminate()


def test_a_log_is_followed_through_it(site: Site, afar: Calls) -> None:
    said = afar.bare("deploy", "site", "--wait")
    assert (said.code, "deployed" in said.lines) == (0, True)


def test_no_log_of_the_proxy_holds_a_path_that_may_be_a_secret(site: Site, call: Calls) -> None:
    path = endpoint(site, call)
    site.deliver(path, json.encode(PUSH), 3)
    assert afterwards(site).count("/api/v1/") > 0
    assert path not in afterwards(site)


def afterwards(site: Site) -> str:
    """Return nginx's logs, once it has written of a call that came later than all others."""
    site.curl("/readyz?last")
    wait_until(lambda: "/readyz?last" in logs(site), "nginx logs")
    return logs(site)


def logs(site: Site) -> str:
    return "".join((site.folder / name).read_text() for name in ("access.log", "error.log"))
