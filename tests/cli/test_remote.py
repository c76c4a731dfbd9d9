"""The way in over HTTP: a token, certificates that are verified, and everything that goes wrong."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli import views
from tests.cli.calls import Calls, Said
from tests.cli.certificates import Authority, authority
from tests.cli.desk import Asked, Desk, open_web_desk
from tests.ports import free_port
from tinyforge.cli.remote import read_address
from tinyforge.operations.views import Problem

TOKEN = "tft_canary-of-a-token"
SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Web:
    desk: Desk
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with open_web_desk(tmp_path) as (desk, port):
        yield Web(desk, port)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, call: Calls) -> At:
    return At(monkeypatch, call)


@dataclass(frozen=True)
class At:
    """Calls `tinyforge …` for the server at an address."""

    environment: pytest.MonkeyPatch
    call: Calls

    def __call__(self, url: str, *words: str, token: str = TOKEN, **more: str) -> Said:
        given = {"TINYFORGE_URL": url, "TINYFORGE_TOKEN": token, **more}
        for name, value in given.items():
            self.environment.setenv(name, value)
        return self.call.bare(*words)


# --- it works as the socket does


def test_a_command_asks_there_with_the_token(web: Web, at: At) -> None:
    web.desk.say("GET /runs", views.page(views.run()))
    said = at(web.url, "run", "list")
    assert (said.code, said.err) == (0, "")
    assert views.run().id in said.out
    (asked,) = web.desk.asked
    assert asked.authorization == f"Bearer {TOKEN}"


def test_what_it_sends_arrives_whole(web: Web, at: At, tmp_path: Path) -> None:
    web.desk.say("POST /manifest/plan", (422, Problem(title="Mistakes", status=422)))
    (tmp_path / "a.yaml").write_text("# " + "x" * 3_000_000)
    at(web.url, "plan", str(tmp_path / "a.yaml"))
    (asked,) = web.desk.asked
    assert len(asked.body) > 3_000_000
    assert asked.body.endswith(b"}")


@pytest.mark.parametrize("end", ["/forge", "/forge/", "/forge/api/v1", "/forge/api/v1/"])
def test_a_server_below_a_prefix_is_asked_there(end: str, web: Web, at: At) -> None:
    web.desk.answers["GET /forge/api/v1/runs"] = [views.page()]
    assert at(web.url + end, "run", "list").code == 0


def test_a_data_folder_that_is_named_wins(web: Web, at: At, desk: Desk) -> None:
    desk.say("GET /runs", views.page())
    assert at(web.url, "run", "list", "--data", str(desk.data)).code == 0
    assert (len(desk.asked), web.desk.asked) == (1, [])


def test_a_folder_of_the_environment_does_not(web: Web, at: At, desk: Desk) -> None:
    web.desk.say("GET /runs", views.page())
    assert at(web.url, "run", "list", TINYFORGE_DATA=str(desk.data)).code == 0
    assert desk.asked == []


def test_a_log_is_followed_to_its_end(web: Web, at: At) -> None:
    web.desk.say(
        f"GET /runs/{views.RUN}/log", views.log("begun"), views.log(), views.log("done", over=True)
    )
    web.desk.say(f"GET /runs/{views.RUN}", views.run_detail())
    said = at(web.url, "run", "logs", views.RUN, "-f")
    assert said.lines == ["begun", "done"]


def test_a_connection_that_was_closed_while_it_was_idle_is_opened_again(web: Web, at: At) -> None:
    web.desk.headers["Connection"] = "close"
    pages = [views.page(views.run(1), next=views.RUN), views.page(views.run(2))]
    web.desk.say("GET /runs", *pages)
    assert len(at(web.url, "run", "list", "--limit", "501").lines) == 3


def test_a_certificate_of_an_own_ca_is_trusted_when_it_is_named(
    ours: Authority, at: At, tmp_path: Path
) -> None:
    with open_web_desk(tmp_path, ours.server("localhost")) as (desk, port):
        desk.say("GET /runs", views.page())
        url = f"https://localhost:{port}"
        refused = at(url, "run", "list")
        assert refused.code == 1
        assert "certificate is not trusted: unable to get local issuer" in refused.err
        assert "TINYFORGE_CA_FILE" in refused.last
        assert desk.asked == []
        assert at(url, "run", "list", TINYFORGE_CA_FILE=str(ours.file)).code == 0


@pytest.mark.parametrize(
    ("host", "days", "said"),
    [
        ("example.org", 30, "Hostname mismatch"),
        ("localhost", -1, "certificate has expired"),
    ],
)
def test_another_name_and_a_date_that_has_passed_are_refused(  # noqa: PLR0913 - fixtures
    host: str, days: int, said: str, *, ours: Authority, at: At, tmp_path: Path
) -> None:
    with open_web_desk(tmp_path, ours.server(host, days=days)) as (desk, port):
        refused = at(f"https://localhost:{port}", "run", "list", TINYFORGE_CA_FILE=str(ours.file))
        assert (refused.code, said in refused.err) == (1, True)
        assert desk.asked == []


# --- what goes wrong is said with the fix


def test_nobody_listens(at: At) -> None:
    said = at(f"http://127.0.0.1:{(port := free_port())}", "run", "list")
    assert said.code == 1
    assert f"nobody listens on port {port} of 127.0.0.1" in said.err
    assert said.last.startswith("fix: ")


def test_a_name_that_does_not_exist(at: At) -> None:
    said = at("https://nowhere.invalid", "run", "list")
    assert said.code == 1
    assert "there is no host nowhere.invalid" in said.err


def test_http_where_https_is_spoken_and_the_other_way_round(
    web: Web, ours: Authority, at: At, tmp_path: Path
) -> None:
    said = at(f"https://127.0.0.1:{web.port}", "run", "list")
    assert "no TLS can be spoken there" in said.err
    assert "http://" in said.last
    with open_web_desk(tmp_path, ours.server("localhost")) as (_, port):
        said = at(f"http://127.0.0.1:{port}", "run", "list")
    assert said.code == 1
    assert "went away while it answered" in said.err


def test_without_a_token_it_is_said_how_to_get_one(web: Web, at: At) -> None:
    web.desk.say("GET /runs", (401, Problem(title="Unauthorized", status=401)))
    said = at(web.url, "run", "list", token="")
    assert said.code == 1
    assert "TINYFORGE_TOKEN is not set" in said.err
    assert "tinyforge token create" in said.last
    assert web.desk.asked[0].authorization == ""


def test_a_token_that_is_refused_says_why_in_the_servers_words(web: Web, at: At) -> None:
    problem = Problem(title="Unauthorized", status=401, detail="it has expired")
    web.desk.say("GET /runs", (401, problem))
    said = at(web.url, "run", "list")
    assert "does not take the token in TINYFORGE_TOKEN: it has expired" in said.err
    assert "tinyforge token create" in said.last


def test_what_a_token_may_not_do_is_said_in_the_servers_words(web: Web, at: At) -> None:
    problem = Problem(title="Forbidden", status=403, detail="a viewer deploys nothing", fix="ask")
    web.desk.say("POST /workloads/site/deploy", (403, problem))
    said = at(web.url, "deploy", "site")
    assert (said.code, said.err) == (1, "error: a viewer deploys nothing\nfix: ask\n")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, "answered 200, and not as Tinyforge does"),
        (404, "answered 404, and not as Tinyforge does"),
        (401, "something before Tinyforge wants a login of its own"),
        (413, "the proxy there takes no body of this size"),
        (502, "the proxy there gets no answer from the server behind it"),
        (504, "the proxy there gets no answer from the server behind it"),
    ],
)
def test_what_is_not_tinyforges_answer_is_told_apart(
    status: int, said: str, web: Web, at: At
) -> None:
    web.desk.content_type = "text/html"
    web.desk.answers["GET /runs"] = (status, b"<html>")
    found = at(web.url, "run", "list")
    assert (found.code, found.out) == (1, "")
    assert said in found.err
    assert found.last.startswith("fix: ")


def test_a_redirect_is_not_followed_and_the_token_stays(web: Web, at: At, tmp_path: Path) -> None:
    with open_web_desk(tmp_path) as (other, port):
        other.say("GET /runs", views.page())
        web.desk.answers["GET /runs"] = (301, b"")
        web.desk.headers["Location"] = f"http://user:pw@127.0.0.1:{port}/x/api/v1/runs?limit=1"
        said = at(web.url, "run", "list")
    assert said.code == 1
    assert f"sends elsewhere, to http://127.0.0.1:{port}/x;" in said.err
    assert (
        said.last == f"fix: if that is your server: export TINYFORGE_URL=http://127.0.0.1:{port}/x"
    )
    assert other.asked == []


def test_an_answer_that_breaks_off_is_no_traceback(at: At) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as other_side:
        gone = other_side.submit(take_each_and_go, listener, 2)
        said = at(f"http://127.0.0.1:{listener.getsockname()[1]}", "run", "list")
        gone.result()
    assert said.code == 1
    assert "went away while it answered" in said.err


def take_each_and_go(listener: socket.socket, times: int) -> None:
    for _ in range(times):
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)


def test_what_changes_something_is_never_asked_twice(at: At) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as other_side:
        gone = other_side.submit(take_each_and_go, listener, 1)
        said = at(f"http://127.0.0.1:{listener.getsockname()[1]}", "deploy", "site")
        gone.result()
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert said.code == 1


@pytest.mark.parametrize(
    ("url", "mistake"),
    [
        ("forge.example.org", "begins with neither https:// nor http://"),
        ("ftp://forge.example.org", "begins with neither https:// nor http://"),
        ("https://", "names no host"),
        ("https://me:pw@forge.example.org", "holds a login"),
        ("https://forge.example.org/?a=b", "ends in a query"),
        ("https://forge.example.org:99999", "Port out of range"),
        ("https://forge example.org", "is no web address"),
        ("https://fôrge.example.org", "is no web address"),
    ],
)
def test_an_address_that_cannot_be_meant_is_exit_2(url: str, mistake: str, at: At) -> None:
    said = at(url, "run", "list")
    assert said.code == 2
    assert f"TINYFORGE_URL: {mistake}" in said.err
    assert "write https://HOST" in said.err


def test_a_ca_file_without_a_certificate_is_exit_2(at: At, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for name, reason in (("none", "No such file"), ("empty", "no certificate is in it")):
        said = at("https://localhost", "run", "list", TINYFORGE_CA_FILE=str(tmp_path / name))
        assert (said.code, reason in said.err) == (2, True)


def test_an_address_reads_back_as_it_was_written() -> None:
    assert str(read_address("https://[::1]:8443/a/")) == "https://[::1]:8443/a"
    assert str(read_address("https://forge.example.org:443")) == "https://forge.example.org"


# --- the token


def test_a_token_that_would_go_unencrypted_is_warned_about(at: At) -> None:
    said = at("http://nowhere.invalid", "run", "list")
    assert said.err.startswith(
        "warning: TINYFORGE_TOKEN goes to http://nowhere.invalid unencrypted"
    )
    quiet = at("http://nowhere.invalid", "run", "list", "--json")
    assert "warning" not in quiet.err


@pytest.mark.parametrize("token", ["a b", "a\nb", "a\x7f", "ä"])
def test_what_can_be_no_token_is_not_sent_and_not_shown(token: str, web: Web, at: At) -> None:
    said = at(web.url, "run", "list", token=token)
    assert said.code == 2
    assert "TINYFORGE_TOKEN: holds what no token does" in said.err
    assert token not in said.err
    assert web.desk.asked == []


@pytest.mark.parametrize("status", [200, 301, 401, 500])
def test_the_token_is_in_no_output_and_in_no_list_of_processes(status: int, web: Web) -> None:
    def looks(_: Asked) -> tuple[int, bytes]:
        lines.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
        return status, b"{}"

    lines: list[bytes] = []
    web.desk.answers["GET /runs"] = looks
    process = subprocess.Popen(
        [sys.executable, "-m", "tinyforge", "run", "list"],
        env={
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "TINYFORGE_URL": web.url,
            "TINYFORGE_TOKEN": TOKEN,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told, _ = process.communicate(timeout=60)
    assert TOKEN not in told
    assert "Traceback" not in told
    assert lines
    assert not any(TOKEN.encode() in line for line in lines)
