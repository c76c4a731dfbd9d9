"""Beside thousands of connections that never say what they want, everything else goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest
from benchmarks.senders import Plan

from tests.hooks.calling import ask, github
from tests.inbound.forges import github_push
from tests.inbound.sending import SECRET
from tests.server.place import Place, Server
from tests.torture.served import ROOT, verify

ENDPOINT = f"/hooks/push-{'k' * 40}"
SCHEDULES = 20
INTERVAL = 10  # seconds
HALF = 2_500  # connections
MANY = 100  # addresses
MANIFEST = f"""
workloads:
  site: {{kind: command, command: ["true"]}}
triggers:
  push: {{kind: github, secret: "${{env:SENDERS_SECRET}}", endpoint: {ENDPOINT[7:]}}}
"""
SCHEDULE = "  s{n}: {{kind: schedule, interval: 10s, first: wait}}\n"
BINDINGS = "bindings:\n  - {trigger: push, workload: site}\n"


@contextmanager
def trickling(port: int, addresses: Sequence[int]) -> Iterator[None]:
    """Hold connections that send a byte a second, half of them with their headers done."""
    senders = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.senders", "trickle"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in addresses
    ]
    try:
        for sender, count in zip(senders, addresses, strict=True):
            assert sender.stdin is not None
            plan = Plan(port, [ENDPOINT], "", HALF, count, 0, "slow")
            sender.stdin.write(f"{json.dumps(plan)}\n")
            sender.stdin.flush()
        yield
    finally:
        for sender in senders:
            sender.kill()
            sender.communicate()


def turned_away(server: Server, why: str) -> bool:
    return bool(server.said("ConnectionTurnedAway", why=why))


@pytest.mark.slow
def test_deliveries_and_windows_come_in_time_beside_5_000_slow_connections(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    schedules = "".join(SCHEDULE.format(n=n) for n in range(SCHEDULES))
    place.write(MANIFEST + schedules + BINDINGS)
    words = ("--log-level", "debug")
    taken: list[int] = []
    with place.serving(*words, SENDERS_SECRET=SECRET) as server:
        with trickling(server.port, [1, MANY]):
            server.until(lambda: turned_away(server, "server"), "too many connections")
            began = monotonic()
            while monotonic() < began + INTERVAL + 1:  # so that a window of each passes
                body, headers = github(github_push())
                taken.append(ask(server.port, ENDPOINT, body, headers).status)
        server.until_said("SchedulesFired", SCHEDULES)
        fired = server.said("SchedulesFired")
        server.stop()
    assert set(taken) == {202}
    assert {line["trigger"] for line in fired} == {f"s{n}" for n in range(SCHEDULES)}
    assert max(float(str(line["late_by_ms"])) for line in fired) < 1_000
    assert verify(tmp_path).ok
