from __future__ import annotations

from pathlib import Path

import pytest

from tests.kinds.thirdparty.installed import install


@pytest.fixture(scope="session")
def thirdparty_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment with Tinyforge and kinds of somebody else; takes seconds."""
    return install(tmp_path_factory.mktemp("thirdparty"))
