"""`python -m benchmarks.alone SUBJECT SIZE FOLDER`: measure one subject, print JSON."""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from pathlib import Path

import msgspec

from benchmarks.figures import Measured, Size


def main() -> None:
    subject, size, folder = sys.argv[1:]
    os.chdir(folder)  # short paths: that of a socket has at most 107 bytes
    before, began = os.getloadavg()[0], time.perf_counter()
    figures = import_module(f"benchmarks.{subject}").measure(Path(), Size(size))
    measured = Measured(
        subject=subject,
        seconds=time.perf_counter() - began,
        load=(before, os.getloadavg()[0]),
        figures=figures,
    )
    sys.stdout.buffer.write(msgspec.json.encode(measured))


if __name__ == "__main__":
    main()
