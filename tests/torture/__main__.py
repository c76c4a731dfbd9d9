"""`python -m tests.torture [KILLS] [SEED]`: torture a server, tell how it goes, print a table."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.torture.load import World
from tests.torture.torture import Torture, blows, table

KILLS, SEED = 200, 2026
MOST_SHOWN = 20


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    kills, seed = (*map(int, words), *(KILLS, SEED)[len(words) :])
    began = time.monotonic()

    def say(text: str) -> None:
        write(f"{time.monotonic() - began:7.1f} s  {text}")

    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        torture = Torture(World(Path(folder)), say)
        torture.endure(blows(kills, seed))
        torture.rest()
        seen = torture.evidence()
        found = torture.findings(seen)
        rows = [*table(torture, seen), ("time", f"{time.monotonic() - began:.0f} s")]
    return report(rows, found)


def report(rows: Sequence[tuple[str, str]], found: Mapping[str, Sequence[str]]) -> int:
    """Print the figures and what violates the invariants; return the exit code."""
    width = max(len(name) for name, _ in rows)
    for name, value in [*rows, ("violations", str(sum(map(len, found.values()))))]:
        write(f"{name:{width}}  {value}")
    for name, problems in found.items():
        for problem in problems[:MOST_SHOWN]:
            write(f"{name}: {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
