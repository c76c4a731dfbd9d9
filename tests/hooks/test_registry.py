"""A real registry tells a real server of pushes, while that is stopped and started."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.hooks.registry import own_registry
from tests.hooks.site import TOKEN
from tests.ports import free_port
from tests.server.place import Place
from tests.torture.served import wait_until

ENDPOINT = f"registry-{'k' * 40}"
TAGS = [f"v{n}" for n in range(100)]
MANIFEST = f"""
workloads:
  site: {{kind: command, command: ["true"], queue: every}}
triggers:
  images: {{kind: distribution, secret: "${{env:SENDERS_TOKEN}}", endpoint: {ENDPOINT}}}
bindings:
  - {{trigger: images, workload: site}}
"""


def pushed(place: Place) -> Sequence[str]:
    """Return the tags of all events, in the order in which they were accepted."""
    path = place.data / "tinyforge.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT facts FROM events ORDER BY id").fetchall()
    return [change["tag"] for (facts,) in rows for change in json.loads(facts)["changes"]]


def runs(place: Place) -> int:
    path = place.data / "tinyforge.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        found: int = db.execute("SELECT count(*) FROM runs").fetchone()[0]
        return found


def test_no_push_is_lost_across_a_stop_and_a_start(tmp_path: Path) -> None:
    place, port = Place(tmp_path), free_port()
    place.write(MANIFEST)
    url = f"http://127.0.0.1:{port}/hooks/{ENDPOINT}"
    with own_registry(tmp_path, url, TOKEN) as registry:
        with place.serving(port=port, SENDERS_TOKEN=TOKEN) as server:
            registry.push("acme/site", TAGS[:40])
            server.until(lambda: bool(pushed(place)), "the first push is an event")
            server.stop()
        before = len(pushed(place))
        registry.push("acme/site", TAGS[40:70])
        with place.serving(port=port, SENDERS_TOKEN=TOKEN):
            registry.push("acme/site", TAGS[70:])
            wait_until(lambda: len(pushed(place)) >= len(TAGS), "all pushes are events")
            wait_until(lambda: runs(place) >= len(TAGS), "all pushes are runs")
    assert 0 < before <= 40
    assert list(pushed(place)) == TAGS
    assert runs(place) == len(TAGS)
