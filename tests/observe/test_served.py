"""A real server, seen from outside: its log, its metrics, its readiness."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.ports import free_port

MANIFEST = """\
version: 1
workloads:
  good: {kind: command, command: ["true"]}
  bad: {kind: command, command: ["false"]}
triggers:
  often: {kind: schedule, interval: 10s}
bindings:
  - {trigger: often, workload: good}
  - {trigger: often, workload: bad}
  - {trigger: often, workload: bad, name: resting, enabled: false}
"""
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


class Served:
    def __init__(self, process: subprocess.Popen[bytes], port: int, bare: int) -> None:
        self.process = process
        self._port, self._bare = port, bare

    def lines(self) -> Iterator[Mapping[str, object]]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            yield json.loads(line)

    def lines_until(self, message: str) -> list[Mapping[str, object]]:
        found = []
        for line in self.lines():
            found.append(line)
            if line["message"] == message:
                return found
        raise AssertionError(f"the log ended without {message!r}: {found}")

    def get(self, path: str, port: int | None = None) -> str:
        where = f"http://127.0.0.1:{port or self._port}{path}"
        with urllib.request.urlopen(where, timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def until(self, name: str, least: float) -> None:
        """Ask again and again until a metric is that high."""
        ends_at = time.monotonic() + 30
        while time.monotonic() < ends_at:
            with suppress(OSError):  # it does not listen yet
                if (self.metric(name) or 0) >= least:
                    return
        raise AssertionError(f"{name} stayed below {least}")

    def metric(self, name: str, **labels: str) -> float | None:
        for family in text_string_to_metric_families(self.get("/metrics", self._bare)):
            for sample in family.samples:
                if sample.name == f"tinyforge_{name}" and sample.labels == labels:
                    return sample.value
        return None


@contextmanager
def served(folder: Path, *flags: str) -> Iterator[Served]:
    (folder / "tinyforge.yaml").write_text(MANIFEST)
    port, bare = free_port(), free_port()
    words = ["--data", "data", "--config", "tinyforge.yaml", "--listen", f"127.0.0.1:{port}"]
    words += ["--metrics-listen", f"127.0.0.1:{bare}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tinyforge", "serve", *words, *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        yield Served(process, port, bare)
    finally:
        process.terminate()
        process.wait(60)
        process.stderr.close()


def test_a_server_tells_of_its_start_its_fires_its_runs_and_its_refusals(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        lines = server.lines_until("run failed")
        kinds = [line["happening"] for line in lines]
        assert kinds[0] == "ServerStarted"
        assert {"ManifestApplied", "SchedulesFired", "Started", "RunsEnded"} <= set(kinds)
        fire = next(line for line in lines if line["message"] == "fired")
        assert (fire["trigger"], fire["kind"]) == ("often", "schedule")
        refused = next(line for line in lines if line["happening"] == "EventsFannedOut")
        assert refused["outcome"] == "disabled"
        assert refused["event_id"] == fire["event_id"]
        server.process.terminate()
        assert list(server.lines())[-1]["happening"] == "ServerStopped"


def test_a_server_counts_what_it_did(tmp_path: Path) -> None:
    with served(tmp_path, "--metrics-names") as server:
        server.lines_until("run failed")
        server.until("ready", 1)
        assert (server.metric("scheduler_ticks_total") or 0) >= 1
        assert server.metric("scheduler_dispatched_total") == 1
        assert server.metric("windows_total", decision="fired", reason="") == 1
        assert server.metric("window_lateness_seconds_count") == 1
        assert server.metric("results_total", outcome="disabled") == 1
        assert server.metric("runs_ended_total", kind="command", state="failed") == 1
        assert server.metric("trigger_fires_total", trigger="often") == 1
        assert json.loads(server.get("/readyz")) == {"ready": True}


def test_a_server_whose_log_nobody_reads_goes_on(tmp_path: Path) -> None:
    with served(tmp_path, "--log-level", "debug") as server:
        server.lines_until("run failed")
        assert server.process.stderr is not None
        server.process.stderr.close()
        server.until("log_lines_dropped_total", 2)
        server.until("scheduler_dispatched_total", 2)
        assert server.process.poll() is None
