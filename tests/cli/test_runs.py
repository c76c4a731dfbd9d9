"""`tinyforge run …` and `tinyforge event …`, as people and programs see them."""

from __future__ import annotations

import re

import pytest
from msgspec import json

from tests.cli import views
from tests.cli.calls import Calls
from tests.cli.desk import Desk
from tinyforge.cli.events import COLUMNS as EVENTS
from tinyforge.cli.tables import render


def test_no_runs_say_what_to_type(desk: Desk, call: Calls) -> None:
    desk.say("GET /runs", views.page())
    said = call("run", "list")
    assert (said.code, said.out) == (0, "")
    assert said.last == f"next: tinyforge trigger list --data {desk.data}"


def test_one_run_is_one_line(desk: Desk, call: Calls) -> None:
    desk.say("GET /runs", views.page(views.run(state="failed", error="exit code 1\nmore")))
    said = call("run", "list")
    assert len(said.lines) == 2
    assert said.lines[1].split()[:4] == ["run_0000000000000", "failed", "site", "nightly"]
    assert said.lines[1].endswith("exit code 1\\nmore")
    assert said.last == f"next: tinyforge run logs run_0000000000000 --data {desk.data}"


def test_a_run_that_nobody_may_take_says_why(desk: Desk, call: Calls) -> None:
    why = "no server that lives carries host=web1"
    desk.say("GET /runs", views.page(views.run(state="queued", waiting=why)))
    assert call("run", "list").lines[1].endswith(why)
    desk.say(f"GET /runs/{views.RUN}", views.run_detail("queued", waiting=why))
    assert f"waits     {why}" in call("run", "show", views.RUN).out


def test_programs_get_all_runs_as_one_page(desk: Desk, call: Calls) -> None:
    first, second = views.run(2), views.run(1)
    desk.say("GET /runs", views.page(first, next=first.id), views.page(second))
    said = call("run", "list", "--json")
    items = json.decode(said.out)["items"]
    assert [item["id"] for item in items] == [first.id, second.id]


def test_a_run_is_shown_with_its_attempts(desk: Desk, call: Calls) -> None:
    desk.say(f"GET /runs/{views.RUN}", views.run_detail("failed", error="exit code 1"))
    said = call("run", "show", views.RUN)
    assert "exit code 1" in said.out
    assert "1  failed   2026-01-05 03:00:00 CET  2.1s" in said.out
    assert said.last.startswith("next: tinyforge run show")


def test_the_log_of_a_run_that_goes_on_ends_where_it_is(desk: Desk, call: Calls) -> None:
    desk.say(f"GET /runs/{views.RUN}/log", views.log("one\ttwo"), views.log())
    desk.say(f"GET /runs/{views.RUN}", views.run_detail("running"))
    said = call("run", "logs", views.RUN)
    assert (said.code, said.out) == (0, "one\ttwo\n")
    assert f"{views.RUN} is running" in said.err


def test_follow_goes_on_to_the_end_of_the_run(desk: Desk, call: Calls) -> None:
    desk.say(
        f"GET /runs/{views.RUN}/log",
        views.log("one"),
        views.log(),
        views.log("two", after=1),
        views.log(after=1, over=True),
    )
    desk.say(f"GET /runs/{views.RUN}", views.run_detail())
    said = call("run", "logs", "-f", views.RUN)
    assert (said.lines, said.err) == (["one", "two"], "")


def test_a_log_cannot_act_upon_the_terminal(desk: Desk, call: Calls) -> None:
    desk.say(f"GET /runs/{views.RUN}/log", views.log("\x1b]0;title\x07"), views.log(over=True))
    desk.say(f"GET /runs/{views.RUN}", views.run_detail())
    assert call("run", "logs", views.RUN).out == "\\x1b]0;title\\x07\n"


def test_programs_get_a_log_as_one_chunk_a_line(desk: Desk, call: Calls) -> None:
    desk.say(f"GET /runs/{views.RUN}/log", views.log("\x1b[1mbold"), views.log(over=True))
    said = call("run", "logs", views.RUN, "--json")
    assert json.decode(said.out)["lines"] == ["\x1b[1mbold"]


def test_a_cancelled_run_says_so(desk: Desk, call: Calls) -> None:
    desk.say(f"POST /runs/{views.RUN}/cancel", views.run_detail("cancelled"))
    assert call("run", "cancel", views.RUN).lines == [f"{views.RUN} is cancelled"]


def test_events_are_listed_with_how_late_they_were(desk: Desk, call: Calls) -> None:
    by_hand = views.event(1, window=None, late_by_us=0, actor="local:ann", trigger="push")
    desk.say("GET /events", views.page(views.event(2, folded=None), by_hand))
    said = call("event", "list")
    assert said.lines[1].split()[3:7] == ["2026-01-05", "03:00:00", "CET", "4ms"]
    assert said.lines[1].split()[-2:] == ["many", "-"]
    assert said.lines[2].endswith("local:ann")


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({}, "-"),
        ({"branch": "main"}, "main"),
        ({"changes": [{"branch": "dev"}, {"tag": "v1.2"}]}, "v1.2 +1"),
        ({"changes": [{"image": "ghcr.io/acme/site", "tag": "v1"}]}, "acme/site:v1"),
        ({"changes": [{"image": "site", "digest": "sha256:0"}]}, "site"),
        ({"changes": ["nonsense"], "branch": ["of", "hands"]}, "['of', 'hands']"),
    ],
)
def test_events_are_listed_with_what_changed_within_80_columns(
    desk: Desk, call: Calls, facts: dict[str, object], shown: str
) -> None:
    one = views.event(1, window=None, actor="local:ann", trigger="push-to-site", facts=facts)
    desk.say("GET /events", views.page(one))
    row = call("event", "list").lines[1]
    assert f"  {shown}  " in row
    cells = re.split(" {2,}", row)
    lines = list(render(EVENTS, [cells], 80))
    assert max(map(len, lines)) <= 80
    assert f"  {shown}  " in lines[1]


def test_no_events_of_a_trigger_say_when_it_comes(desk: Desk, call: Calls) -> None:
    desk.say("GET /events", views.page())
    said = call("event", "list", "--trigger", "nightly")
    assert said.last == f"next: tinyforge preview nightly --data {desk.data}"


def test_an_event_is_shown_with_every_result(desk: Desk, call: Calls) -> None:
    missed = views.result("not_matched", workload="ping", reason="branch is 'dev'")
    desk.say(f"GET /events/{views.EVENT}", views.event_detail(views.result(), missed))
    said = call("event", "show", views.EVENT)
    assert [line.split()[:2] for line in said.lines[-2:]] == [
        ["site", "matched"],
        ["ping", "not_matched"],
    ]
    assert said.last.startswith("next: tinyforge trigger show nightly")
