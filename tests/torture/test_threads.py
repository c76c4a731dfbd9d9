"""A deploy in a thread that never ends keeps no server from stopping."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.torture.served import ROOT, serving, tinyforge

GRACE, LEEWAY = 1, 2  # seconds
KIND = """
import time
from dataclasses import dataclass
from tinyforge.kinds import WorkloadKind

@dataclass(frozen=True, kw_only=True)
class Endless(WorkloadKind):
    def deploy(self, context):
        context.log.write("begun")
        while True:
            time.sleep(60)
"""
MANIFEST = """
version: 1
workloads: {stuck: {kind: endless}}
triggers: {press: {kind: manual}}
bindings: [{trigger: press, workload: stuck}]
"""


@pytest.mark.slow
def test_a_thread_that_never_ends_does_not_hold_up_the_exit(tmp_path: Path) -> None:
    packages = _installed(tmp_path / "packages")
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    words = ["--config", str(tmp_path / "manifest.yaml"), "--grace", f"{GRACE}s"]
    variables = {"PYTHONPATH": f"{ROOT / 'src'}:{packages}"}
    with serving(tmp_path, words, variables) as served:
        assert served.until_ready()
        assert tinyforge(tmp_path, "trigger", "fire", "press").returncode == 0
        served.wait_until(lambda: "running" in _runs(tmp_path), "the deploy begins")
        served.tell(signal.SIGTERM)
        told = time.monotonic()
        assert served.ended() == 0
        assert time.monotonic() - told < GRACE + LEEWAY
    with serving(tmp_path, words, variables) as served:
        assert served.until_ready()
        served.wait_until(lambda: "interrupted" in _runs(tmp_path), "its run is interrupted")


def _runs(folder: Path) -> str:
    return tinyforge(folder, "run", "list").stdout


def _installed(folder: Path) -> Path:
    """Lay a distribution with the kind where Python finds it."""
    described = folder / "endless-1.dist-info"
    described.mkdir(parents=True)
    (folder / "endless.py").write_text(KIND)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: endless\nVersion: 1\n")
    points = "[tinyforge.workloads]\nendless = endless:Endless\n"
    (described / "entry_points.txt").write_text(points)
    return folder
