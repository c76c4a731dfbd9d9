"""The commands that README, CI and people use are there, and are the same."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_the_commands_of_the_readme_exist() -> None:
    named = set(re.findall(r"^make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named == {"demo", "test"}
    assert named <= TARGETS


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("exec make test")


def test_the_checks_are_those_that_the_tests_run() -> None:
    commands = re.findall(r"^\t\$\(bin\)/(.+)$", MAKEFILE, re.MULTILINE)
    for words in ("ruff format --check .", "ruff check .", "mypy", "lint-imports --no-logo"):
        assert words in commands


def test_every_target_says_what_it_does() -> None:
    told = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert set(re.findall(r"^  make ([a-z]+) ", told, re.MULTILINE)) == TARGETS
