from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.calls import Calls
from tests.cli.desk import Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as opened:
        yield opened


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Calls:
    return Calls(capsys, tmp_path)


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """People of these tests live in Berlin, and set nothing else."""
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "Europe/Berlin")
        environment.delenv("TINYFORGE_DATA", raising=False)
        time.tzset()
        yield
    time.tzset()
