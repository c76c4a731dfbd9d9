from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hooks.site import Site, open_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a server with an endpoint for each of these tests' needs, and all of it the same."""
    with open_site(tmp_path_factory.mktemp("s")) as site:
        yield site
