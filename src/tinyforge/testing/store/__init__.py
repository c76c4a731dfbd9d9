"""What every store promises, to be run by a store's own tests (pytest, asyncio_mode = auto).

class TestMyStore(StoreContract):
    @pytest.fixture
    def bench(self, tmp_path): return MyBench(tmp_path)

    @pytest_asyncio.fixture
    async def store(self, bench):
        async with bench.open() as store:
            yield store

A store whose rows no other program can change sets `notices_hands = False`; one whose columns keep
their types, so that a hand cannot leave a text where a number belongs, `holds_any_type = False`.
"""

from __future__ import annotations

from tinyforge.testing.store.accepting import AcceptingContract
from tinyforge.testing.store.admitting import AdmittingContract
from tinyforge.testing.store.arriving import ArrivingContract
from tinyforge.testing.store.configuring import ConfiguringContract
from tinyforge.testing.store.dying import DyingContract
from tinyforge.testing.store.endpoints import EndpointsContract
from tinyforge.testing.store.hands import HandsContract
from tinyforge.testing.store.keeping import KeepingContract
from tinyforge.testing.store.listing import ListingContract
from tinyforge.testing.store.logs import LogsContract
from tinyforge.testing.store.placing import PlacingContract
from tinyforge.testing.store.queues import QueuesContract
from tinyforge.testing.store.sealing import SealingContract
from tinyforge.testing.store.sharing import SharingContract
from tinyforge.testing.store.site import Bench
from tinyforge.testing.store.time import TimeContract
from tinyforge.testing.store.turns import TurnsContract

__all__ = ["Bench", "StoreContract"]


class StoreContract(
    AcceptingContract,
    AdmittingContract,
    ArrivingContract,
    QueuesContract,
    TurnsContract,
    DyingContract,
    ConfiguringContract,
    EndpointsContract,
    SealingContract,
    TimeContract,
    HandsContract,
    ListingContract,
    LogsContract,
    KeepingContract,
    SharingContract,
    PlacingContract,
):
    """All promises of `store.port`."""
