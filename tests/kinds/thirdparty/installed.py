"""Ours and the two distributions of somebody else, installed into a fresh environment."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def install(folder: Path) -> Path:
    """Return the environment's python. Only what we depend on is shared with this environment."""
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    sources = [ROOT, HERE / "tide", HERE / "notes"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    _run(*pip, "wheel", *offline, "--wheel-dir", wheels, *sources)
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    _run(*pip, "--python", python, "install", "--no-deps", "--no-index", *wheels.glob("*.whl"))
    site = next((folder / "env" / "lib").glob("python3*/site-packages"))
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
