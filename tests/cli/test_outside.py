"""`doctor --url`: what a server looks like from outside, seen through proxies that lie in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import json

from tests.cli.calls import Calls, Said
from tests.cli.served import Served, serving
from tests.ports import free_port
from tinyforge.cli.outside import clients, encryption
from tinyforge.cli.remote import read_address
from tinyforge.clock import moment
from tinyforge.operations.sightings import SightingView


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("seen") / "data", listen=f"127.0.0.1:{port}") as one:
        yield one


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], served: Served) -> Calls:
    return Calls(capsys, served.data)


def verdicts(said: Said) -> dict[str, str]:
    return {one["name"]: one["verdict"] for one in json.decode(said.out)["checks"]}


def test_a_server_that_is_called_directly_is_well(call: Calls, port: int) -> None:
    said = call("doctor", "--url", f"http://127.0.0.1:{port}", "--json")
    assert said.code == 0
    assert verdicts(said) == {
        "encryption": "ok",
        "reachable": "ok",
        "same server": "ok",
        "webhooks": "ok",
        "large bodies": "ok",
        "client addresses": "ok",
    }


def test_where_nobody_listens_it_is_not_reachable(call: Calls) -> None:
    said = call("doctor", "--url", f"http://127.0.0.1:{free_port()}")
    assert said.code == 1
    assert "reachable: " in said.out
    assert "nobody listens" in said.out
    assert "fix: " in said.out


def test_a_host_that_is_not_there_is_said_to_be_the_mistake(call: Calls) -> None:
    said = call("doctor", "--url", "http://forge.invalid")
    assert said.code == 1
    assert "there is no host forge.invalid" in said.out
    assert "fix: correct the address, in TINYFORGE_URL or --url" in said.out


def test_another_server_is_told_apart(call: Calls, tmp_path: Path) -> None:
    other = free_port()
    with serving(tmp_path / "data", listen=f"127.0.0.1:{other}"):
        said = call("doctor", "--url", f"http://127.0.0.1:{other}")
    assert said.code == 1
    assert "same server: another server answers" in said.out


def test_an_address_that_cannot_be_meant_is_exit_2(call: Calls) -> None:
    said = call("doctor", "--url", "forge.example.org")
    assert said.code == 2
    assert "--url: begins with neither https:// nor http://" in said.err


@pytest.mark.parametrize(
    ("url", "seen", "verdict", "words"),
    [
        (
            "https://f.example.org",
            {
                "peer": "127.0.0.1",
                "source": "203.0.113.9",
                "is_forwarded": True,
                "is_trusted": True,
            },
            "ok",
            "from 203.0.113.9, through 127.0.0.1",
        ),
        (
            "https://f.example.org",
            {"peer": "172.18.0.2", "source": "172.18.0.2", "is_forwarded": True},
            "warn",
            "every client looks like 172.18.0.2",
        ),
        (
            "https://f.example.org",
            {"peer": "127.0.0.1", "source": "127.0.0.1"},
            "warn",
            "the proxy does not say whom it asks for",
        ),
        (
            "http://f.example.org",
            {"peer": "192.0.2.7", "source": "192.0.2.7"},
            "ok",
            "from 192.0.2.7",
        ),
    ],
)
def test_whether_clients_are_told_apart(
    url: str, seen: dict[str, object], verdict: str, words: str
) -> None:
    view = json.decode(json.encode({"mark": "m", "is_seen": True, **seen}), type=SightingView)
    check = clients(read_address(url), view)
    assert (check.verdict, words in check.what) == (verdict, True)
    assert bool(check.fix) is (verdict == "warn")


@pytest.mark.parametrize(
    ("since", "until", "verdict"),
    [
        ("Jan  1 00:00:00 2026 GMT", "Apr  1 00:00:00 2026 GMT", "ok"),  # 30 days of 90 are left
        ("Dec 10 00:00:00 2025 GMT", "Mar 10 00:00:00 2026 GMT", "warn"),  # 8 of 90
        ("Mar  1 12:00:00 2026 GMT", "Mar  2 12:00:00 2026 GMT", "ok"),  # 12 hours of 24
    ],
)
def test_a_certificate_that_should_be_renewed_by_now_is_warned_of(
    since: str, until: str, verdict: str
) -> None:
    now = moment(datetime(2026, 3, 2, tzinfo=UTC))
    check = encryption("TLSv1.3", {"notBefore": since, "notAfter": until}, now)
    assert check.verdict == verdict
