"""Every list with nothing in it, with one row and with ten thousand, in a pipe and on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from msgspec import Struct, json

from tests.cli import views
from tests.cli.calls import Calls
from tests.cli.desk import Asked, Desk
from tinyforge.cli.text import columns
from tinyforge.operations.views import (
    BindingView,
    RevisionView,
    WorkloadDetail,
    WorkloadView,
)

SOURCE = Path(__file__).parents[2] / "src"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LONG = "a-name-that-is-as-long-as-a-name-may-be-which-is-63-characters."
PAGE = 500


def workload(name: str = "site") -> WorkloadView:
    return WorkloadView(
        id="wkl_01ka8x3v2m000",
        name=name,
        kind="command",
        config={"command": ["./deploy.sh"]},
        queue="latest",
        timeout_us=900_000_000,
        attempts=3,
        backoff_us=10_000_000,
        idempotent=None,
        on=["host=web1"],
        managed_by="manifest:default",
    )


def binding(name: str = "push.site") -> BindingView:
    return BindingView(
        id="bnd_01ka8x3v2m000",
        name=name,
        trigger="push",
        workload="site",
        match={"branch": "main", "paths": ["web/**"]},
        when="event.pusher != 'renovate[bot]'",
        enabled=True,
        managed_by="manifest:default",
    )


LISTS: Mapping[str, Struct] = {
    "trigger": views.trigger(LONG, workloads=[LONG, "b"]),
    "workload": workload(LONG),
    "binding": binding(LONG),
    "event": views.event(1, trigger=LONG),
    "run": views.run(1, workload=LONG, state="failed", error="exit status 3: " + "x" * 100),
}


def say(desk: Desk, what: str, count: int) -> None:
    """Let the server have so many of them, page by page."""
    row = json.encode(LISTS[what])
    left = [count]

    def page(_: Asked) -> tuple[int, bytes]:
        here = min(PAGE, left[0])
        left[0] -= here
        after = b',"next":"more"' if left[0] else b""
        return 200, b'{"items":[' + b",".join([row] * here) + b"]" + after + b"}"

    desk.answers[f"GET /{what}s"] = page


def on_a_terminal(words: Sequence[str], width: int) -> list[str]:
    """Return what a person sees there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tinyforge", *words],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": str(width), "TERM": "xterm"},
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        seen = b""
        while chunk := _read(ours):
            seen += chunk
        assert process.wait(60) == 0
    os.close(ours)
    return [COLOURS.sub("", line) for line in seen.decode().splitlines()]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # nobody writes any more
        return b""


@pytest.mark.parametrize("what", LISTS)
def test_nothing_is_said_to_be_nothing(what: str, desk: Desk, call: Calls) -> None:
    say(desk, what, 0)
    said = call(what, "list")
    assert (said.code, said.out) == (0, "")
    assert f"no {what}s" in said.err


@pytest.mark.parametrize("what", LISTS)
def test_one_is_a_head_and_a_line(what: str, desk: Desk, call: Calls) -> None:
    say(desk, what, 1)
    head, line = call(what, "list").lines
    assert what.upper() in head or "NAME" in head
    assert LONG in line


@pytest.mark.parametrize("what", LISTS)
def test_ten_thousand_fit_into_80_columns(what: str, desk: Desk) -> None:
    say(desk, what, 10_000)
    more = ["--limit", "10000"] if what in {"event", "run"} else []
    lines = on_a_terminal([what, "list", "--data", str(desk.data), *more], 80)
    assert len(lines) == 10_001
    assert max(map(columns, lines)) <= 80


@pytest.mark.parametrize("what", ["trigger", "workload", "binding"])
def test_programs_get_all_of_them(what: str, desk: Desk, call: Calls) -> None:
    say(desk, what, 1_200)
    assert len(json.decode(call(what, "list", "--json").out)["items"]) == 1_200
    assert "limit=500" in desk.asked[0].query
    assert desk.asked[1].query.startswith("after=more")


def test_a_list_can_be_narrowed(desk: Desk, call: Calls) -> None:
    say(desk, "binding", 0)
    assert call("binding", "list", "--trigger", "push").last == "no such bindings"
    assert desk.asked[0].query == "trigger=push&limit=500"


def test_a_workload_is_shown_with_all_that_belongs_to_it(desk: Desk, call: Calls) -> None:
    revision = RevisionView(
        id="rev_1", since="2026-01-05T12:00:00Z", until=None, author="local:root", text="{}"
    )
    detail = WorkloadDetail(
        workload=workload(), bindings=[binding()], revisions=[revision], runs=[views.run()]
    )
    desk.say("GET /workloads/site", detail)
    said = call("workload", "show", "site")
    assert said.code == 0
    assert "attempts  3, the next after 10.0s" in said.lines
    assert "on        host=web1" in said.lines
    for part in ("push.site", views.run().id, "local:root"):
        assert part in said.out


def test_a_workload_that_nothing_deploys_is_said_so(desk: Desk, call: Calls) -> None:
    detail = WorkloadDetail(workload=workload(), bindings=[], revisions=[], runs=[])
    desk.say("GET /workloads/site", detail)
    said = call("workload", "show", "site")
    assert "no trigger deploys it: add a binding to the manifest" in said.lines
    assert "no runs yet" in said.lines
