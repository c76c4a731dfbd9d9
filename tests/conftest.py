from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.kinds.thirdparty.installed import install
from tests.npm import fetched
from tests.postgres import own_schema, own_server

OCTOKIT = "@octokit/webhooks-examples@7.6.1"
OCTOKIT_INTEGRITY = (
    "De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ=="
)


def pytest_configure() -> None:
    """Hear Ctrl-C: a shell starts what goes to the background deaf to it, and so their children."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def thirdparty_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the python of an environment with Tinyforge and kinds of somebody else; takes seconds."""
    return install(tmp_path_factory.mktemp("thirdparty"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the address of a PostgreSQL that runs for these tests."""
    with own_server() as server:
        yield server.url


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the payloads that GitHub's own libraries are tested with."""
    return fetched(tmp_path_factory.mktemp("octokit"), OCTOKIT, OCTOKIT_INTEGRITY)


@pytest_asyncio.fixture
async def url(postgres: str) -> AsyncIterator[str]:
    """Give the address of a schema there that is the test's own."""
    async with own_schema(postgres) as url:
        yield url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be missing (`CI=true`), a test that lacks a tool fails."""
    report = yield
    skipped = report.longrepr if report.skipped else None
    reason = skipped[-1] if isinstance(skipped, tuple) else ""
    if os.environ.get("CI") == "true" and reason.startswith("Skipped: needs "):
        report.outcome = "failed"
        report.longrepr = f"{reason}, and CI=true allows no missing tool"
    return report
