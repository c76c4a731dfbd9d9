"""One server on a file and the labels that it carries, as its user sees it."""

from __future__ import annotations

import json

import pytest

from tests.server.place import Place

pytestmark = pytest.mark.slow

MANIFEST = """\
workloads:
  here: {kind: command, command: ["true"], on: host=web1}
  there: {kind: command, command: ["true"], on: host=web2}
triggers:
  often: {kind: schedule, interval: 1h}
bindings:
  - {trigger: often, workload: here}
  - {trigger: often, workload: there}
"""
WHY = "no server that lives carries host=web2"


def test_what_asks_for_another_place_waits_and_says_why_until_a_server_is_it(place: Place) -> None:
    place.write(MANIFEST)
    with place.serving("--label", "host=web1", "--label", "disk=ssd") as server:
        server.until_said("RunsEnded", workload="here", state="succeeded")
        server.until(lambda: server.metric("unplaced_runs") == 1, "the run that waits is counted")
        assert 'tinyforge_server_info{labels="disk=ssd,host=web1"' in server.metrics()
        assert WHY in place.done("run", "list", "--workload", "there").out
        lately = json.loads(place.done("explain", "often", "--json").out)
        window = lately["decisions"][0]["at"]
        assert f"(waits: {WHY})" in place.done("explain", "often", window).out
        doctor = place.call("doctor")
        assert (doctor.code, f"fail  workload there: its runs wait: {WHY}" in doctor.out) == (
            1,
            True,
        )
        assert "      fix: tinyforge serve --label host=web2" in doctor.out
        server.stop()
    with place.serving(TINYFORGE_LABELS="host=web2") as server:
        server.until_said("RunsEnded", workload="there", state="succeeded")


def test_an_edit_of_the_place_counts_for_a_run_that_waits(place: Place) -> None:
    place.write(MANIFEST)
    with place.serving("--label", "host=web1") as server:
        server.until_said("RunsEnded", workload="here", state="succeeded")
        place.write(MANIFEST.replace("web2", "web1"))
        place.done("apply", str(place.manifest))
        server.until_said("RunsEnded", workload="there", state="succeeded")


def test_a_label_that_makes_no_sense_is_refused_at_the_start(place: Place) -> None:
    place.write(MANIFEST)
    said = place.refused("--label", "host")
    assert "--label: 'host' is no label; write KEY=VALUE such as host=web1" in said
