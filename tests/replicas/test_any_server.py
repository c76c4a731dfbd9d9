"""Commands at one server for a run that another one deploys."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.postgres import ask, own_server
from tests.server.place import Place

pytestmark = pytest.mark.slow

MANIFEST = """\
workloads:
  hold: {kind: command, command: [sh, -c, "echo holding; exec sleep 300"], queue: every}
  talk: {kind: command, command: [sh, -c, "echo one; sleep 2; echo two; exec sleep 300"], queue: every}
"""
OWNERS = "SELECT count(DISTINCT owner) FROM runs WHERE state = 3"


@pytest.fixture
def url() -> Iterator[str]:
    with own_server() as server:
        yield server.url


@pytest.fixture
def places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str
) -> Iterator[tuple[Place, Place]]:
    """Give the places of two servers, each of which deploys one run at a time."""
    with ExitStack() as stack:
        found = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            place = Place(tmp_path / name, capsys)
            place.write(MANIFEST)
            words = ["--concurrency", "1"]
            stack.enter_context(place.serving(*words, TINYFORGE_DATABASE=url))
            found.append(place)
        yield found[0], found[1]


def begun(at: Place, workload: str) -> str:
    run = at.deploy(workload)
    at.until_run_is("running", run)
    return run


def test_a_run_is_followed_and_cancelled_at_whichever_server(
    places: tuple[Place, Place], url: str
) -> None:
    one, other = places
    hold, talk = begun(one, "hold"), begun(one, "talk")
    assert asyncio.run(ask(url, OWNERS)) == 2
    for place in places:
        place.until(lambda at=place: at.lines(hold) == ["holding"], "its log is seen")  # type: ignore[misc]
        place.until(lambda at=place: at.lines(talk) == ["one", "two"], "its log goes on")  # type: ignore[misc]
    other.done("run", "cancel", hold)
    one.until_run_is("cancelled", hold)
    one.done("run", "cancel", talk)
    other.until_run_is("cancelled", talk)


def test_a_cancelled_run_ends_who_follows_it_at_another_server(
    places: tuple[Place, Place],
) -> None:
    one, other = places
    hold, talk = begun(one, "hold"), begun(one, "talk")
    for run in (hold, talk):
        one.done("run", "cancel", run)
        followed = other.call("run", "logs", "--follow", run)
        assert followed.lines[0] in {"holding", "one"}
        assert other.run(run).run.state == "cancelled"
