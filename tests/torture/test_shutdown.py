"""A soft stop gives back what it cannot finish: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.torture.evidence import INTERRUPTED, RUNNING, attempts_alive, opened
from tests.torture.served import PATIENCE, Served, serving, verify
from tinyforge.ids import show

pytestmark = pytest.mark.slow
DUE, WORKLOADS, GRACE = 1_000, 100, 1
SLACK = 2.0  # seconds beyond the grace that an exit may take
LONG = 240.0  # seconds for all runs
SECONDS = ("0.5", "0.5", "0.5", "0.5", "2")  # the last is longer than the grace
SLOW = 'echo begun; sleep "$1"; echo "done $TINYFORGE_RUN_ID" >> "$0"'
STUBBORN = "trap '' TERM; echo deaf $TINYFORGE_RUN_ID >> \"$0\"; while :; do sleep 1; done"


@dataclass(frozen=True)
class Site:
    folder: Path

    @property
    def manifest(self) -> Path:
        return self.folder / "site.yaml"

    @property
    def effects(self) -> Path:
        return self.folder / "effects.txt"

    @property
    def done(self) -> Counter[str]:
        """Count by run what its command has written."""
        return Counter(line.split()[1] for line in self.effects.read_text().splitlines())

    def write(self, due: int, workloads: list[list[str]]) -> None:
        """Have *due* schedules at once, spread over workloads with these commands."""
        self.effects.touch()
        triggers = {f"t{n:04}": {"kind": "schedule", "interval": "1h"} for n in range(due)}
        text = {
            "version": 1,
            "triggers": triggers,
            "workloads": {
                f"w{n:03}": {"kind": "command", "command": command, "queue": "every"}
                for n, command in enumerate(workloads)
            },
            "bindings": [
                {"trigger": name, "workload": f"w{n % len(workloads):03}"}
                for n, name in enumerate(triggers)
            ],
        }
        self.manifest.write_text(json.dumps(text))

    def words(self, grace: int = GRACE) -> list[str]:
        more = ["--grace", f"{grace}s", "--concurrency", str(WORKLOADS)]
        return ["--config", str(self.manifest), *more]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with opened(self.folder / "data" / "tinyforge.db") as file:
            return [tuple(row) for row in file.execute(query)]

    def running(self) -> int:
        return len(self.rows(f"SELECT id FROM runs WHERE state = {RUNNING}"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def slow(site: Site, seconds: str) -> list[str]:
    return ["sh", "-c", SLOW, str(site.effects), seconds]


def stop(served: Served) -> float:
    """Ask for a soft stop and return how many seconds it took."""
    began = time.monotonic()
    served.tell(signal.SIGTERM)
    assert served.ended() == 0, served.last_words()
    return time.monotonic() - began


def test_a_thousand_runs_survive_stops_and_end_once_with_one_attempt(site: Site) -> None:
    site.write(DUE, [slow(site, SECONDS[n % len(SECONDS)]) for n in range(WORKLOADS)])
    took = []
    for wanted in (10, 300):
        with serving(site.folder, site.words()) as served:
            has_come = partial(has_done, site, wanted)
            served.wait_until(has_come, f"{wanted} runs have ended", LONG)
            took.append(stop(served))
        assert site.running() == 0
        assert site.rows("SELECT count(*) FROM runs") == [(DUE,)]
    with serving(site.folder, site.words()) as served:
        served.wait_until(lambda: all_succeeded(site), "all runs succeed", LONG)
        took.append(stop(served))
    assert max(took) <= GRACE + SLACK
    assert site.rows("SELECT state, attempt, count(*) FROM runs GROUP BY 1, 2") == [(4, 1, DUE)]
    assert site.rows("SELECT outcome, n, count(*) FROM attempts GROUP BY 1, 2") == [
        ("succeeded", 1, DUE)
    ]
    assert len(site.done) == DUE
    assert verify(site.folder).ok


def until_at_work(site: Site, served: Served, count: int) -> None:
    assert served.until_ready(), served.last_words()
    served.wait_until(lambda: len(commands_of(site)) == count, f"{count} commands are at work")


def has_done(site: Site, wanted: int) -> bool:
    return site.done.total() >= wanted


def all_succeeded(site: Site) -> bool:
    return site.rows("SELECT count(*) FROM runs WHERE state = 4") == [(DUE,)]


def test_what_ends_within_the_grace_is_not_done_again(site: Site) -> None:
    site.write(8, [slow(site, "2") for _ in range(8)])
    with serving(site.folder, site.words(grace=30)) as served:
        until_at_work(site, served, 8)
        assert stop(served) < 30
    assert site.rows("SELECT state, attempt, count(*) FROM runs GROUP BY 1, 2") == [(4, 1, 8)]
    assert site.done.total() == 8


def test_commands_that_will_not_end_are_ended_and_given_back(site: Site) -> None:
    site.write(4, [["sh", "-c", STUBBORN, str(site.effects)] for _ in range(4)])
    with serving(site.folder, site.words(grace=1)) as served:
        served.wait_until(partial(has_done, site, 4), "all are deaf to SIGTERM")
        assert stop(served) <= 1 + SLACK
    assert site.rows("SELECT state, attempt, count(*) FROM runs GROUP BY 1, 2") == [(2, 0, 4)]
    assert commands_of(site) == []


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(site: Site, second: signal.Signals) -> None:
    site.write(1, [slow(site, "60")])
    with (
        supervised(site.folder) as (said, variables),
        serving(site.folder, site.words(grace=60), variables) as served,
    ):
        until_at_work(site, served, 1)
        served.tell(signal.SIGTERM)
        while said.recv(100) != b"STOPPING=1":
            pass
        served.tell(second)
        assert served.ended() == 130
    with serving(site.folder, site.words(grace=1)) as served:
        assert served.until_ready()
        assert site.rows("SELECT state FROM runs") == [(INTERRUPTED,)]
        assert commands_of(site) == []


@contextmanager
def supervised(folder: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """Hear what a server tells its supervisor; give the variables that make it tell."""
    address = str(folder / "notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(address)
        channel.settimeout(PATIENCE)
        yield channel, {"NOTIFY_SOCKET": address}


def commands_of(site: Site) -> list[str]:
    """Return the runs of *site* of which some process is at work."""
    ours = {show("run", int(str(number))) for (number,) in site.rows("SELECT id FROM runs")}
    return sorted({run for run, _ in attempts_alive()} & ours)
