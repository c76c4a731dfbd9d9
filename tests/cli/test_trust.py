"""`tinyforge explain`, `verify` and `doctor`: their words, and exit codes for scripts."""

from __future__ import annotations

import pytest

from tests.cli import views
from tests.cli.calls import Calls
from tests.cli.desk import Desk
from tinyforge.operations.answers import (
    CheckedView,
    CheckView,
    DecisionView,
    DoctorView,
    ExplainView,
    FaultView,
    OpenView,
    ReplicaView,
    VerifyView,
)

CHECKED = CheckedView(triggers=2, epochs=2, windows=1_234, events=1_200)


def test_a_window_is_explained_with_its_event_and_results(desk: Desk, call: Calls) -> None:
    view = ExplainView(
        trigger="nightly",
        asked="2026-01-05T02:00:00Z",
        verdict="fired",
        words="The window of 2026-01-05T02:00:00Z fired 4 ms late.",
        event=views.event_detail(views.result()),
        next_command=f"tinyforge run show {views.RUN}",
    )
    desk.say("GET /triggers/nightly/explain", view)
    said = call("explain", "nightly", "2026-01-05 03:00")
    assert desk.asked[0].query == "at=2026-01-05T02%3A00%3A00Z"
    assert said.lines[0] == "The window of 2026-01-05 03:00:00 CET fired 4 ms late."
    assert views.RUN in said.out
    assert said.last.startswith(f"next: tinyforge run show {views.RUN}")


def test_what_was_never_a_window_names_its_neighbours(desk: Desk, call: Calls) -> None:
    view = ExplainView(
        trigger="nightly",
        asked="2026-01-05T03:00:00Z",
        verdict="not_a_window",
        words="That was never a window.",
        nearest_before="2026-01-05T02:00:00Z",
        nearest_after="2026-01-06T02:00:00Z",
    )
    desk.say("GET /triggers/nightly/explain", view)
    said = call("explain", "nightly", "-2h")
    assert said.code == 0
    assert "2026-01-05 03:00:00 CET" in said.out
    assert "2026-01-06 03:00:00 CET" in said.out


def test_without_a_moment_the_last_decisions_are_listed(desk: Desk, call: Calls) -> None:
    decisions = [
        DecisionView(
            at="2026-01-05T02:00:00Z", verdict="fired", words="4 ms late", event=views.EVENT
        ),
        DecisionView(at="2026-01-04T02:00:00Z", verdict="skipped", words="it was paused"),
    ]
    view = ExplainView(
        trigger="nightly",
        asked=None,
        verdict="summary",
        words="nightly is active.",
        decisions=decisions,
        due_at="2026-01-06T02:00:00Z",
    )
    desk.say("GET /triggers/nightly/explain", view)
    said = call("explain", "nightly")
    assert desk.asked[0].query == ""
    assert [line.split()[3] for line in said.lines[2:4]] == ["fired", "skipped"]
    assert said.lines[-1] == "next window 2026-01-06 03:00:00 CET"


def test_a_history_without_a_hole_is_exit_0(desk: Desk, call: Calls) -> None:
    desk.say("GET /verify", VerifyView(ok=True, checked=CHECKED, faults=[]))
    said = call("verify")
    assert said.code == 0
    assert said.lines[0] == "checked 1,234 windows and 1,200 events of 2 triggers"


def test_a_fault_is_named_and_exit_1_for_people_and_programs(desk: Desk, call: Calls) -> None:
    fault = FaultView(
        trigger="nightly", fault="missing", words="no decision", window="2026-01-05T02:00:00Z"
    )
    late = OpenView(trigger="often", oldest="2026-01-05T02:00:00Z", overdue_us=90_000_000)
    desk.say("GET /verify", VerifyView(ok=False, checked=CHECKED, faults=[fault], open=[late]))
    said = call("verify", "nightly")
    assert said.code == 1
    assert "nightly  missing  2026-01-05 03:00:00 CET  no decision" in said.lines
    assert "often: not decided since 2026-01-05 03:00:00 CET, overdue by 1m 30s" in said.lines
    assert call("verify", "--json").code == 1


def test_a_doctor_who_finds_something_says_the_fix_and_exits_1(desk: Desk, call: Calls) -> None:
    checks = [
        CheckView(name="clock", verdict="ok", what="in step"),
        CheckView(name="rows", verdict="fail", what="1 broken", fix="tinyforge trigger show bad"),
    ]
    desk.say("GET /doctor", DoctorView(worst="fail", checks=checks))
    said = call("doctor")
    assert said.code == 1
    assert said.lines == [
        "ok    clock: in step",
        "fail  rows: 1 broken",
        f"      fix: tinyforge trigger show bad --data {desk.data}",
    ]
    assert call("doctor", "--json").code == 1


def test_a_warning_alone_is_exit_0(desk: Desk, call: Calls) -> None:
    check = CheckView(name="disk", verdict="warn", what="10 % left")
    desk.say("GET /doctor", DoctorView(worst="warn", checks=[check]))
    assert call("doctor").code == 0


@pytest.mark.parametrize("count", [1, 3, 50])
def test_servers_that_share_are_listed_within_80_columns(
    desk: Desk, call: Calls, count: int
) -> None:
    check = CheckView(name="servers", verdict="ok", what="they live")
    found = [replica(number) for number in range(count)]
    desk.say("GET /doctor", DoctorView(worst="ok", checks=[check], replicas=found))
    table = call("doctor").lines[1:]
    assert len(table) == (count + 2 if count > 1 else 0)
    if table:
        assert table[-1].split() == [
            *(str(count - 1), "0.10.0", "2026-01-05", "03:00:00", "CET"),
            *("-0.004", "s", "disk=ssd,host=web1"),
        ]
    assert all(len(line) <= 80 for line in table)


def replica(number: int) -> ReplicaView:
    return ReplicaView(
        number=number,
        instance="srv_01ka8x3v2m000",
        version="0.10.0",
        started_at="2026-01-05T02:00:00Z",
        labels=["disk=ssd", "host=web1"],
        trigger_kinds=["schedule"],
        workload_kinds=["command"],
        clock_off_us=-4_000,
    )
