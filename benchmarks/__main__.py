"""`python -m benchmarks`: measure, print a table, write JSON.

Each subject is measured in a process of its own, over files of its own, and alone but with
`--smallest`. Exit code 1: something could not be measured, or a must was not met at full size.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import msgspec
from msgspec import Struct

import tinyforge
from benchmarks.figures import Figure, Measured, Size
from benchmarks.table import is_met, markdown, put_between_marks, show
from tinyforge.clock import SystemClock, rfc3339

MACHINE = "machine"
POSTGRES = ("replicas", "queues", "claims", "rest")
SUBJECTS = (
    MACHINE,
    "idle",
    "burst",
    "lateness",
    "work",
    "noop",
    "hooks",
    "manifest",
    "start",
    *POSTGRES,
)
AT_ONCE = 4  # subjects whose figures say nothing
HERE = Path(__file__).parent.parent
SOURCE = Path(tinyforge.__file__).parent.parent


class Report(Struct, frozen=True, kw_only=True):
    """What `--json` writes."""

    at: str
    size: Size
    python: str
    sqlite: str
    machine: str
    cores: int
    fdatasync_p50_ms: float
    subjects: Sequence[Measured]

    @property
    def figures(self) -> list[Figure]:
        return [figure for measured in self.subjects for figure in measured.figures]


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    chosen = {MACHINE, *(asked.subject or SUBJECTS)}
    wanted = [name for name in SUBJECTS if name in chosen]
    with tempfile.TemporaryDirectory(prefix="tinyforge-benchmark-", dir=asked.dir) as folder:
        found = _measured(wanted, asked.size, Path(folder))
    subjects = [measured for measured in found if measured is not None]
    if not subjects or subjects[0].subject != MACHINE:
        return 1
    report = _report(subjects, asked.size)
    show(report.figures, report.fdatasync_p50_ms)
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    rewritten = asked.markdown is None or _rewrite(asked.markdown, report)
    missed = asked.size is Size.FULL and _has_missed(report)
    return int(None in found or missed or not rewritten)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    names = ", ".join(SUBJECTS)
    parser.add_argument("subject", nargs="*", type=_subject, help=f"{names}; all of them")
    size = parser.add_mutually_exclusive_group()
    for one, meaning in {
        Size.QUICK: "a first look within minutes",
        Size.SMALLEST: "only see that everything works",
    }.items():
        size.add_argument(f"--{one}", dest="size", action="store_const", const=one, help=meaning)
    parser.set_defaults(size=Size.FULL)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was measured")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="replace the table in this page"
    )
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path.cwd(),
        help="a folder on the disk to be measured, for files that are removed afterwards [here]",
    )
    return parser


def _subject(name: str) -> str:
    if name not in SUBJECTS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(SUBJECTS)}")
    return name


def _measured(wanted: Sequence[str], size: Size, folder: Path) -> list[Measured | None]:
    """Measure one after the other; several at once where no figure counts."""
    with ThreadPoolExecutor(AT_ONCE if size is Size.SMALLEST else 1) as pool:
        return list(pool.map(lambda subject: _measure(subject, size, folder), wanted))


def _measure(subject: str, size: Size, folder: Path) -> Measured | None:
    """Measure in a process of its own; None, and what it said, where that fails."""
    place = folder / subject
    place.mkdir()
    _say(f"{subject} …")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.alone", subject, size, str(place)],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), str(HERE)])},
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        _say(f"{subject} could not be measured\n")
        return None
    measured = msgspec.json.decode(done.stdout, type=Measured)
    _say(f"{subject}: {measured.seconds:.0f} s\n")
    return measured


def _say(text: str) -> None:
    sys.stderr.write("\r" + text)
    sys.stderr.flush()


def _report(subjects: Sequence[Measured], size: Size) -> Report:
    return Report(
        at=rfc3339(SystemClock().now()),
        size=size,
        python=platform.python_version(),
        sqlite=apsw.sqlite_lib_version(),
        machine=platform.platform(),
        cores=os.cpu_count() or 1,
        fdatasync_p50_ms=subjects[0].figures[0].value,
        subjects=subjects,
    )


def _has_missed(report: Report) -> bool:
    return any(is_met(one, report.fdatasync_p50_ms) is False for one in report.figures)


def _rewrite(page: Path, report: Report) -> bool:
    table = markdown(report.figures, report.fdatasync_p50_ms)
    how = (
        f"Measured at {report.size} size on {report.at[:10]}: {report.cores} cores,"
        f" Python {report.python}, SQLite {report.sqlite}.\n"
    )
    try:
        page.write_text(put_between_marks(page.read_text(), f"\n{how}\n{table}\n"))
    except (OSError, ValueError) as problem:
        _say(f"{page}: {problem}\n")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
