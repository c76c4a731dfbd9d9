"""`python -m tests.replicas [KILLS] [SEED]`: kill a replica each second, then print a table."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.postgres import own_server
from tests.replicas.fleet import Fleet
from tests.replicas.storm import Storm, table
from tests.torture.__main__ import KILLS, SEED, report, write
from tests.torture.load import World


def main(words: list[str]) -> int:
    kills, seed = (*map(int, words), *(KILLS, SEED)[len(words) :])
    began = time.monotonic()

    def say(text: str) -> None:
        write(f"{time.monotonic() - began:7.1f} s  {text}")

    with tempfile.TemporaryDirectory(prefix="torture-") as folder, own_server() as postgres:
        fleet = Fleet(postgres, World(Path(folder)))
        storm = Storm(fleet, say)
        with fleet.all_ended():
            storm.begin()
            storm.blow(kills, seed)
            storm.wait_for_wave()
            fleet.rest()
            say("at rest")
            seen = fleet.evidence()
            found = fleet.findings(was_away=True)
    return report([*table(storm, seen), ("time", f"{time.monotonic() - began:.0f} s")], found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
