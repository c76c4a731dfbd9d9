"""The API against its own description, by somebody else's generator of requests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.web.server import Running, running_server

pytestmark = pytest.mark.slow

SEED = "20261124"
LONGEST = 120  # seconds
SITE = """
version: 1
workloads: {site: {kind: command, command: ["true"]}}
triggers:
  button: {kind: manual}
  often: {kind: schedule, interval: 1h}
bindings: [{trigger: button, workload: site}]
"""
HOW = (
    *("--seed", SEED, "--max-examples", "5", "--phases", "examples,coverage,fuzzing"),
    *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
    *("--generation-database", "none", "--request-timeout", "20", "--continue-on-failure"),
    *("--no-color", "--warnings", "off"),
)


@pytest.fixture(scope="module")
def described() -> Iterator[tuple[Running, Path]]:
    """Give a server with one of everything, and the file of its description."""
    with TemporaryDirectory(prefix="tf") as folder, running_server(Path(folder)) as running:
        request = {"source": "f.yaml", "text": SITE}
        assert running.ask("POST", "/api/v1/manifest/apply", "admin", request).status == 200
        assert running.ask("POST", "/api/v1/triggers/button/fire", "admin", {}).status == 200
        answer = running.ask("GET", "/api/v1/openapi.json", "admin")
        file = Path(folder) / "openapi.json"
        file.write_bytes(answer.body)
        yield running, file


def test_no_answer_is_an_error_of_ours_or_undocumented(described: tuple[Running, Path]) -> None:
    # Streams do not end, and whoever may revoke tokens revokes the one that it has.
    run(described, "--exclude-path-regex", "stream|revoke")
    run(described, "--include-path-regex", "revoke")


def run(described: tuple[Running, Path], *words: str) -> None:
    running, file = described
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", str(file), "--url", running.address),
            *("--header", f"Authorization: Bearer {running.tokens['admin']}", *HOW, *words),
        ],
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-8_000:]}\n{done.stderr[-2_000:]}"
