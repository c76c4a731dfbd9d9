"""What `make check` asks of the code, so that one command of tests asks for everything."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["mypy"],
    ["lint-imports", "--no-logo"],
]
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("words", TOOLS, ids=" ".join)
def test_a_tool_finds_nothing(words: list[str]) -> None:
    folder = Path(sys.executable).parent
    program = shutil.which(words[0], path=str(folder))
    assert program is not None, f"{words[0]} is not installed in {folder}"
    found = subprocess.run(
        [program, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
