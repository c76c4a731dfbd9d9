"""A data folder on a disk that takes nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.engine.disks import may_mount, small_disk
from tests.server.place import Place
from tests.torture.served import serving

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not may_mount(), reason="needs a user who may mount")
def test_on_a_read_only_disk_every_refusal_says_so(place: Place, tmp_path: Path) -> None:
    place.write("workloads: {site: {kind: command, command: [date]}}\n")
    with small_disk(tmp_path / "disk", "8m") as disk:
        place.data.symlink_to(disk)
        with place.serving() as server:
            server.stop()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with serving(place.folder) as refused:
            assert refused.ended() == 1
            assert f"{place.data} cannot be written" in refused.last_words()
        listed = place.call("trigger", "list")
        assert listed.code == 1
        assert "mounted read-only" in listed.err
        assert "--data" in listed.last
