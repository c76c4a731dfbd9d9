from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio

from tests.operations.house import House, open_house
from tests.web.server import Running, running_server
from tinyforge.web.app import create_app
from tinyforge.web.gate import Gate, Probes


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Give a house with one of everything, after its first sweep."""
    async with open_house(tmp_path) as house:
        await house.apply()
        await house.pass_time(0)
        yield house


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """Give a server in a process of its own, which the tests share."""
    with TemporaryDirectory(prefix="tf") as folder, running_server(Path(folder)) as running:
        yield running


@pytest.fixture
def app(house: House) -> Gate:
    probes = Probes(metrics=lambda: b"", unready=lambda: None)
    return create_app(house.doors, probes, house.happened.append)
