"""The unit that lies in deploy/ is the one that the command prints, and denies what it can."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.deploy.conftest import ROOT
from tinyforge.cli.systemd import unit

UNIT = ROOT / "deploy/systemd/tinyforge.service"
EXPOSED_AT_MOST = 20  # tenths; what systemd itself calls OK begins below 50


def test_the_unit_is_the_one_that_the_command_prints() -> None:
    assert UNIT.read_text() == unit("/usr/local/bin/tinyforge")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_little_that_the_unit_leaves_open() -> None:
    words = ["security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}", "--no-pager"]
    judged = subprocess.run(
        ["systemd-analyze", *words, UNIT], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout[-200:] + judged.stderr
