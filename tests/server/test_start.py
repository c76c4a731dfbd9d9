"""What a start takes before it fires anything."""

from __future__ import annotations

import socket

import pytest

from tests.cli.served import PATIENCE, start
from tests.server.place import Place

pytestmark = pytest.mark.slow

SITE = """\
workloads:
  site: {kind: command, command: ["true"]}
triggers:
  often: {kind: schedule, interval: 1h}
bindings:
  - {trigger: often, workload: site}
"""


def test_with_its_port_taken_a_server_fires_nothing(place: Place) -> None:
    place.write(SITE)
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        words = ("serve", "--config", str(place.manifest), "--listen", where)
        with start(place.data, *words) as server:
            _, said = server.communicate(timeout=PATIENCE)
    assert server.returncode == 1
    assert said.splitlines()[-2:] == [
        f"error: cannot listen on {where}: something else listens there",
        "fix: give another --listen HOST:PORT, or stop what listens there",
    ]
    assert place.call("event", "list").lines == []


def test_a_server_says_where_it_listens(place: Place) -> None:
    place.write(SITE)
    with place.serving() as server:
        (started,) = server.until_said("Started")
        assert started["listen"] == f"127.0.0.1:{server.port}"
