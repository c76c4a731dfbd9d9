"""What a page tells people to type, typed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.docs.tables import page, section

BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE = 150.0  # seconds for one block


def blocks(name: str, heading: str) -> list[str]:
    """Return the blocks of commands under *heading*."""
    found = BLOCK.findall(section(page(name), heading))
    assert found, f"{name} has no commands under {heading}"
    return found


def typed(commands: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Type *commands* in *folder* as a person would who stops at the first that fails."""
    done = subprocess.run(
        ["sh", "-euxc", commands],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env=dict(variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
