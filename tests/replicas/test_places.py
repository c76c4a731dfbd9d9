"""Real servers with labels on one PostgreSQL: who deploys what, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import json

from tests.replicas.fleet import Fleet, Way
from tests.torture.served import tinyforge, wait_until
from tinyforge.operations.answers import DoctorView
from tinyforge.operations.views import FireView, Page, RunDetail, RunView

pytestmark = pytest.mark.slow

MANIFEST = """
version: 1
workloads:
  one: {kind: command, command: [echo, done], on: host=web1}
  two: {kind: command, command: [echo, done], on: [disk=ssd, host=web2]}
  three: {kind: command, command: [echo, done], on: host=web3}
"""
WHY = "no server that lives carries host=web3"


@pytest.fixture
def fleet(empty: Fleet, tmp_path: Path) -> Fleet:
    """Give two servers at different places."""
    manifest = tmp_path / "placed.yaml"
    manifest.write_text(MANIFEST)
    first = Way(manifest=manifest, pressed=False, words=("--label", "host=web1"))
    words = ("--label", "host=web2", "--label", "disk=ssd")
    empty.start(1, first)
    empty.start(2, Way(pressed=False, words=words))
    return empty


def ask(fleet: Fleet, *words: str) -> bytes:
    """Call a command at the first server."""
    said = tinyforge(fleet.lives(1).folder, *words, "--json")
    assert said.stdout, said.stderr
    return said.stdout.encode()


def deployed(fleet: Fleet, workload: str) -> str:
    fired = json.decode(ask(fleet, "deploy", workload), type=FireView)
    (result,) = fired.results
    assert result.run is not None
    return result.run


def state_of(fleet: Fleet, run: str) -> RunDetail:
    return json.decode(ask(fleet, "run", "show", run), type=RunDetail)


def until_done(fleet: Fleet, run: str) -> None:
    wait_until(lambda: state_of(fleet, run).run.state == "succeeded", f"{run} succeeds")


def owner(fleet: Fleet, workload: str) -> object:
    """Return the labels of the server that deployed a workload."""
    return fleet.one(
        "SELECT s.labels FROM runs r JOIN workloads w ON w.id = r.workload_id"
        f" JOIN servers s ON s.instance = r.owner WHERE w.name = '{workload}'"
    )


def test_each_workload_is_deployed_where_it_asks_for(fleet: Fleet) -> None:
    for workload in ("one", "two"):
        until_done(fleet, deployed(fleet, workload))
    assert (owner(fleet, "one"), owner(fleet, "two")) == ("host=web1", "disk=ssd,host=web2")


def test_what_no_server_may_take_is_said_until_one_may(fleet: Fleet) -> None:
    run = deployed(fleet, "three")
    shown = state_of(fleet, run)
    assert (shown.run.state, shown.run.waiting) == ("queued", WHY)
    assert shown.next_command == "tinyforge serve --label host=web3"
    (line,) = json.decode(ask(fleet, "run", "list"), type=Page[RunView]).items
    assert line.waiting == WHY
    doctor = json.decode(ask(fleet, "doctor"), type=DoctorView)
    (check,) = [one for one in doctor.checks if one.name == "workload three"]
    assert (check.verdict, check.fix) == ("fail", "tinyforge serve --label host=web3")
    fleet.start(3, Way(pressed=False, words=("--label", "host=web3")))
    until_done(fleet, run)
    assert owner(fleet, "three") == "host=web3"


def test_doctor_shows_the_servers_and_their_database(fleet: Fleet) -> None:
    doctor = json.decode(ask(fleet, "doctor"), type=DoctorView)
    assert [one.labels for one in doctor.replicas] == [["host=web1"], ["disk=ssd", "host=web2"]]
    assert all("command" in (one.workload_kinds or ()) for one in doctor.replicas)
    found = {check.name: check.verdict for check in doctor.checks}
    assert {found[f"rows of {table}"] for table in ("events", "runs", "timing")} == {"ok"}
    assert (found["servers"], found["transactions"]) == ("ok", "ok")
    said = tinyforge(fleet.lives(1).folder, "doctor").stdout
    assert "servers: 2 servers live" in said
    assert "disk=ssd,host=web2" in said
