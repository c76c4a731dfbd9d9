"""What `make demo` runs, shown to do what it promises and to leave nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def begin(seconds: int, folder: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "DEMO_SECONDS": str(seconds),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(ROOT / "src"),
    }
    return subprocess.Popen(
        [sys.executable, "demo/demo.py"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_that_mention(folder: Path) -> list[str]:
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if str(folder) in line]


def test_the_demo_shows_all_that_it_promises_and_ends_by_itself(tmp_path: Path) -> None:
    demo = begin(5, tmp_path)
    told, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, told
    assert "* every-10s fired" in told
    assert "> deployed for every-10s" in told
    assert "< a signed push was sent, and the answer is: accepted" in told
    assert re.search(r"> deployed for push, window none, commit [0-9a-f]{40}", told)
    assert "< the endpoint was called: /refresh, run_" in told
    assert "! the row 'by-hand' is broken" in told
    assert "by-hand    broken" in told
    assert "every window has exactly one decision" in told
    assert list(tmp_path.iterdir()) == []
    assert processes_that_mention(tmp_path) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_that_is_interrupted_leaves_nothing_behind(
    how: signal.Signals, tmp_path: Path
) -> None:
    demo = begin(600, tmp_path)
    assert demo.stdout is not None
    told = ""
    while "* every-10s fired" not in told:
        line = demo.stdout.readline()
        assert line, told
        told += line
    demo.send_signal(how)
    told, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, told
    assert "nothing is left behind" in told
    assert list(tmp_path.iterdir()) == []
    assert processes_that_mention(tmp_path) == []
