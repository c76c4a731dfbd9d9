"""`tinyforge trigger …` and `tinyforge deploy`, as people and programs see them."""

from __future__ import annotations

import pytest
from msgspec import json

from tests.cli import views
from tests.cli.calls import Calls
from tests.cli.desk import Desk
from tinyforge.operations.views import (
    FireRequest,
    FireView,
    Page,
    SpanView,
    SwitchView,
    TriggerView,
)


def test_triggers_are_listed_with_when_they_come_next(desk: Desk, call: Calls) -> None:
    desk.say(
        "GET /triggers",
        views.page(views.trigger(), views.trigger("push", kind="manual", says="", due_at=None)),
    )
    said = call("trigger", "list")
    assert said.code == 0
    assert said.lines[0].split()[:3] == ["NAME", "STATE", "WHEN"]
    assert "2026-01-06 03:00:00 CET" in said.lines[1]
    assert "manual" in said.lines[2]


def test_no_triggers_at_all_says_how_to_get_some(desk: Desk, call: Calls) -> None:
    desk.say("GET /triggers", views.page())
    said = call("trigger", "list")
    assert (said.code, said.out) == (0, "")
    assert said.err == "no triggers\nnext: tinyforge init\n"


def test_a_broken_trigger_is_named_below_the_list(desk: Desk, call: Calls) -> None:
    broken = views.trigger("bad", state="broken", problem="interval: '5' is not a duration")
    desk.say("GET /triggers", views.page(broken))
    assert "1 broken: bad: interval: '5' is not a duration" in call("trigger", "list").err


def test_programs_get_what_the_api_said(desk: Desk, call: Calls) -> None:
    page = views.page(views.trigger())
    desk.say("GET /triggers", page)
    said = call("trigger", "list", "--json")
    assert json.decode(said.out, type=Page[TriggerView]) == page
    assert said.err == ""


def test_shared_options_may_come_first(desk: Desk, call: Calls) -> None:
    desk.say("GET /triggers", views.page())
    said = call.bare("--json", "--data", str(desk.data), "trigger", "list")
    assert said.out.startswith("{")


def test_one_trigger_is_shown_with_bindings_and_events(desk: Desk, call: Calls) -> None:
    desk.say("GET /triggers/nightly", views.trigger_detail())
    said = call("trigger", "show", "nightly", "--utc")
    assert "2026-01-06 02:00:00 UTC" in said.out
    assert "nightly.site" in said.out
    assert said.last == f"next: tinyforge preview nightly --data {desk.data}"


def test_a_pause_says_how_to_end_it(desk: Desk, call: Calls) -> None:
    view = SwitchView(
        trigger=views.trigger(state="paused", due_at=None),
        changed=True,
        next_command="tinyforge trigger resume nightly",
    )
    desk.say("POST /triggers/nightly/pause", view)
    said = call("trigger", "pause", "nightly")
    assert said.lines == ["nightly is paused"]
    assert "next: tinyforge trigger resume nightly" in said.err


def test_a_resume_says_what_it_decided(desk: Desk, call: Calls) -> None:
    span = SpanView(
        oldest="2026-01-03T02:00:00Z",
        newest="2026-01-04T02:00:00Z",
        count=2,
        reason="paused",
        words="it was paused or disabled",
        epoch=1,
    )
    view = SwitchView(trigger=views.trigger(), changed=True, fired=views.event(), skipped=span)
    desk.say("POST /triggers/nightly/resume", view)
    said = call("trigger", "resume", "nightly")
    assert "fired evt_0000000000000 for its window 2026-01-05 03:00:00 CET" in said.out
    assert "skipped 2, 2026-01-03 03:00:00 CET to 2026-01-04 03:00:00 CET" in said.out


# --- fire and deploy


def test_facts_are_sent_as_text_and_as_json(desk: Desk, call: Calls) -> None:
    desk.say("POST /triggers/push/fire", views.fire(views.result()))
    call(
        "trigger",
        "fire",
        "push",
        "--fact",
        "branch=main",
        "--fact",
        "n=1",
        "--fact-json",
        "count=3",
    )
    (asked,) = desk.asked
    assert json.decode(asked.body, type=FireRequest).facts == {
        "branch": "main",
        "n": "1",
        "count": 3,
    }


@pytest.mark.parametrize(
    ("flag", "text", "fix"),
    [
        ("--fact", "branch", "write --fact branch=main"),
        ("--fact", "=main", "write --fact branch=main"),
        ("--fact-json", "n=main", "--fact n=text"),
        ("--fact-json", "n=" + "[" * 100_000, "is no JSON"),
    ],
)
def test_a_fact_that_is_none_asks_nothing(
    flag: str, text: str, fix: str, desk: Desk, call: Calls
) -> None:
    said = call("trigger", "fire", "push", flag, text)
    assert said.code == 2
    assert fix in said.err
    assert desk.asked == []


def test_a_fact_given_twice_is_a_mistake(call: Calls) -> None:
    said = call("trigger", "fire", "push", "--fact", "a=1", "--fact", "a=2")
    assert (said.code, "a is given twice" in said.err) == (2, True)


def test_without_facts_the_fire_says_that_no_rule_was_applied(desk: Desk, call: Calls) -> None:
    desk.say("POST /triggers/push/fire", views.fire(views.result(), rules_applied=False))
    said = call("trigger", "fire", "push")
    assert json.decode(desk.asked[0].body, type=FireRequest).facts is None
    assert "no binding's rule is applied" in said.out


def test_what_did_not_match_says_why_and_what_to_type(desk: Desk, call: Calls) -> None:
    missed = views.result("not_matched", reason="branch is 'dev', not 'main'")
    view = views.fire(missed, next_command="tinyforge trigger show push")
    desk.say("POST /triggers/push/fire", view)
    said = call("trigger", "fire", "push", "--fact", "branch=dev")
    assert said.code == 0
    assert "branch is 'dev', not 'main'" in said.out
    assert said.last == f"next: tinyforge trigger show push --data {desk.data}"


def test_what_could_not_be_matched_is_a_failure(desk: Desk, call: Calls) -> None:
    broken = views.result("match_failed", reason="command: must be a list")
    desk.say("POST /workloads/site/deploy", views.fire(broken))
    assert call("deploy", "site").code == 1
    assert call("deploy", "site", "--json").code == 1


def test_a_dry_run_follows_nothing_even_when_asked_to_wait(desk: Desk, call: Calls) -> None:
    desk.say(
        "POST /workloads/site/deploy", views.fire(views.result(run=None), event=None, dry_run=True)
    )
    said = call("deploy", "site", "--dry-run", "--wait")
    assert said.code == 0
    assert "nothing is stored" in said.out
    assert len(desk.asked) == 1
    assert desk.asked[0].body == b'{"dry_run":true}'


def test_wait_follows_the_log_to_its_end(desk: Desk, call: Calls) -> None:
    desk.say("POST /workloads/site/deploy", views.fire(views.result()))
    desk.say(
        f"GET /runs/{views.RUN}/log",
        views.log("one"),
        views.log(after=0),
        views.log("two", "three", after=1),
        views.log(after=1, over=True, state="succeeded"),
    )
    desk.say(f"GET /runs/{views.RUN}", views.run_detail())
    said = call("deploy", "site", "--wait")
    assert said.code == 0
    assert said.lines[-4:] == ["one", "two", "three", f"{views.RUN} succeeded"]
    assert [a.query for a in desk.asked if a.path.endswith("log")] == [
        "after=-1",
        "after=0",
        "after=0",
        "after=1",
    ]


def test_wait_fails_with_the_run_and_says_what_to_type(desk: Desk, call: Calls) -> None:
    desk.say("POST /workloads/site/deploy", views.fire(views.result()))
    desk.say(f"GET /runs/{views.RUN}/log", views.log(over=True))
    desk.say(f"GET /runs/{views.RUN}", views.run_detail("failed", error="exit code 3"))
    said = call("deploy", "site", "--wait")
    assert said.code == 1
    assert f"{views.RUN} failed: exit code 3" in said.out
    assert said.last.startswith("next: tinyforge run show")


def test_wait_follows_the_run_that_took_the_place_of_a_superseded_one(
    desk: Desk, call: Calls
) -> None:
    newer = views.run(9).id
    desk.say("POST /workloads/site/deploy", views.fire(views.result()))
    for run in (views.RUN, newer):
        desk.say(f"GET /runs/{run}/log", views.log(over=True))
    desk.say(f"GET /runs/{views.RUN}", views.run_detail("superseded", superseded_by=newer))
    desk.say(f"GET /runs/{newer}", views.run_detail(id=newer))
    said = call("deploy", "site", "--wait")
    assert said.code == 0
    assert f"{views.RUN} was superseded by {newer}" in said.err


def test_wait_for_nothing_is_a_failure(desk: Desk, call: Calls) -> None:
    desk.say("POST /workloads/site/deploy", views.fire(views.result("skipped_busy")))
    said = call("deploy", "site", "--wait")
    assert said.code == 1
    assert "nothing was queued" in said.err


def test_programs_that_wait_get_one_value_a_line(desk: Desk, call: Calls) -> None:
    desk.say("POST /workloads/site/deploy", views.fire(views.result()))
    desk.say(f"GET /runs/{views.RUN}/log", views.log("text"), views.log(over=True))
    desk.say(f"GET /runs/{views.RUN}", views.run_detail("failed"))
    said = call("deploy", "site", "--wait", "--json")
    fired, ended = said.lines
    assert said.code == 1
    assert json.decode(fired, type=FireView).event == views.EVENT
    assert json.decode(ended)["run"]["state"] == "failed"
