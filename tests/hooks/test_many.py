"""Many at once: the same delivery from everywhere, and connections that never end."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest

from tests.hooks.calling import github, line, request
from tests.hooks.site import KNOWN, Site
from tests.inbound.forges import github_push

SENDERS = 1_000


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Let this process open a file for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_identical_deliveries_are_one_event(site: Site) -> None:
    before, runs = site.of("events", "many"), site.count("runs")
    text = request(f"/hooks/{KNOWN['many']}", *github(github_push(), str(uuid4())))
    with ExitStack() as stack:
        lines = [stack.enter_context(line(site.port)) for _ in range(SENDERS)]
        for one in lines:
            one.send(text)
        found = [one.answer() for one in lines]
    assert Counter(str(one.said.get("outcome")) for one in found) == {
        "accepted": 1,
        "duplicate": SENDERS - 1,
    }
    assert len({one.event for one in found}) == 1
    assert site.of("events", "many") == before + 1
    assert site.count("runs") == runs + 1
