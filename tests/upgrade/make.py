"""Make the database that this program's schema is remembered by: python -m tests.upgrade.make.

Run it once when a schema lands, and never again for that one: later programs must open what this
one wrote.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
import tempfile
from pathlib import Path

import apsw

from tests.engine.house import BEGIN, House, open_house
from tests.operations.house import ME
from tinyforge.clock import MINUTE
from tinyforge.model import RunId
from tinyforge.store.migrate import SCHEMA
from tinyforge.store.port import LogPart
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.testing.clock import MovableClock

FOLDER = Path(__file__).parent
AT = BEGIN + 10 * MINUTE  # when it was left
OFTEN, CRON, BUTTON, ODD = 1, 4, 7, 10


def remembered(schema: int) -> Path:
    return FOLDER / f"schema{schema}.db.gz"


async def fill(house: House) -> None:
    """Leave something of everything: fires, skips, results, runs, logs, a pause, a broken row."""
    house.site("often")
    cron = house.schedule("cron", cron="*/5 * * * *", catch_up="skip")
    house.bind(cron, house.workload("cron-work", "bad", how="fail"))
    button = house.trigger("button", "touchy")
    house.bind(button, house.workload("button-work"), {"how": "no"})
    house.schedule("odd", interval="1s")
    assert await house.sweep()
    for _ in range(3):
        await house.pass_time(MINUTE)
        await house.settle()
    await house.pass_time(6 * MINUTE)
    await house.fire(button)
    await house.doors.triggers.pause("cron", ME)
    await house.settle()
    await house.pass_time(MINUTE)
    first = (await house.runs())[0]
    await house.store.append_log([LogPart(RunId(first.id), 0, ["one line", "another"])], AT)


async def make(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_house(Path(folder), MovableClock(BEGIN)) as house:
            await fill(house)
        copy = Path(folder) / "copy.db"
        connection = apsw.Connection(str(Path(folder) / DATABASE))
        connection.execute("VACUUM INTO ?", (str(copy),))
        connection.close()
        target.write_bytes(gzip.compress(copy.read_bytes(), mtime=0))


if __name__ == "__main__":
    path = remembered(SCHEMA)
    if path.exists() and "--again" not in sys.argv:
        raise SystemExit(f"{path} exists: a schema that landed is never made again")
    asyncio.run(make(path))
    sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")
