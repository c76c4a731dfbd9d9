from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.place import Place


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(tmp_path, capsys)
