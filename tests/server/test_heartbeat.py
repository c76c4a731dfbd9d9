"""`TINYFORGE_HEARTBEAT_URL`: whoever hears nothing knows that windows are not recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.engine.disks import fill, may_mount, small_disk
from tests.server.heart import Heart, beating
from tests.server.place import Place, Server

pytestmark = pytest.mark.slow

MANIFEST = """\
workloads:
  site: {kind: command, command: ["true"]}
triggers:
  often: {kind: schedule, interval: 1h}
bindings:
  - {trigger: often, workload: site}
"""
LARGE = "x" * 20_000


@pytest.fixture(autouse=True)
def manifest(place: Place) -> None:
    place.write(MANIFEST)


@pytest.fixture
def on_a_small_disk(place: Place, tmp_path: Path) -> Iterator[Path]:
    """Let the data lie on a file system of 4 MiB; the log and the manifest do not."""
    if not may_mount():
        pytest.skip("needs a user who may mount")
    with small_disk(tmp_path / "disk") as disk:
        place.data.symlink_to(disk)
        yield disk


def serving(place: Place, url: str) -> AbstractContextManager[Server]:
    return place.serving("--tick-interval", "1s", TINYFORGE_HEARTBEAT_URL=url)


def until_called(server: Server, heart: Heart, more: int) -> None:
    wanted = len(heart.calls) + more
    server.until(lambda: len(heart.calls) >= wanted, f"{more} more calls")


def until_swept(server: Server, more: int) -> None:
    wanted = server.metric("scheduler_ticks_total") + more
    server.until(lambda: server.metric("scheduler_ticks_total") >= wanted, f"{more} more sweeps")


def use_up_the_room_left(place: Place, server: Server) -> None:
    """Do what a person may do, the small and the large, until a sweep can store nothing at all."""

    def is_used_up() -> bool:
        failed = server.metric("recording_failures_total")
        for _ in range(5):
            place.call("trigger", "fire", "often", "--fact", f"large={LARGE}")
            place.call("trigger", "pause", "often")
            place.call("trigger", "resume", "often")
        until_swept(server, 1)
        is_ready, _ = server.read("/readyz")
        return is_ready == 503 and server.metric("recording_failures_total") > failed

    server.until(is_used_up, "nothing more can be recorded")


def test_while_the_disk_is_full_it_is_not_called(place: Place, on_a_small_disk: Path) -> None:
    with beating() as heart, serving(place, heart.url) as server:
        until_called(server, heart, 1)
        ballast = fill(on_a_small_disk)
        use_up_the_room_left(place, server)
        before = len(heart.calls)
        place.write(MANIFEST.replace("1h", "2h"))
        server.reload()
        until_swept(server, 2)
        assert len(heart.calls) == before
        assert "disk is full" in str(server.said("RecordingFailed")[-1]["problem"])
        ballast.unlink()
        until_called(server, heart, 1)
        assert server.read("/readyz")[0] == 200
        assert len(server.said("ManifestApplied")) == 1
        server.reload()
        server.until_said("ManifestApplied", 2)


def test_it_is_called_after_every_sweep_and_a_failure_is_said_and_ends_nothing(
    place: Place,
) -> None:
    with beating() as heart, serving(place, heart.url) as server:
        until_called(server, heart, 2)
        assert set(heart.calls) == {"GET /beat?token=geheim HTTP/1.1"}
        assert len(heart.calls) <= server.metric("scheduler_ticks_total")
        assert not server.said("HeartbeatFailed")
        for heart.status, problem in (
            ("500 Internal Server Error", "answered 500"),
            ("302 Found", "answered 302"),
            ("nonsense", "gave no complete answer (ClientResponseError)"),
        ):
            server.until_said("HeartbeatFailed", problem=problem)
        assert server.metric("heartbeat_failures_total") >= 3
        assert "geheim" not in str(server.log())
        assert place.call("deploy", "site", "--wait").code == 0
        assert server.read("/readyz")[0] == 200


def test_one_that_never_answers_holds_up_neither_sweeps_nor_the_stop(place: Place) -> None:
    with beating(status=None) as heart, serving(place, heart.url) as server:
        server.until(lambda: len(heart.calls) == 1, "it is called")
        until_swept(server, 2)
        assert place.call("deploy", "site", "--wait").code == 0
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5
