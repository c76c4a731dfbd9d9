"""Views as a server would send them."""

from __future__ import annotations

from tinyforge.operations.views import (
    AttemptView,
    BindingView,
    ChunkView,
    EventDetail,
    EventView,
    FireView,
    LogView,
    Page,
    ResultView,
    RunDetail,
    RunView,
    TriggerDetail,
    TriggerView,
)

RUN = "run_01ka8x3v2m000"
EVENT = "evt_01ka8x3v2m000"


def trigger(name: str = "nightly", **changes: object) -> TriggerView:
    fields: dict[str, object] = {
        "id": "trg_01ka8x3v2m000",
        "name": name,
        "kind": "schedule",
        "state": "active",
        "says": "0 3 * * * Europe/Berlin",
        "config": {"cron": "0 3 * * *"},
        "enabled": True,
        "managed_by": "manifest:default",
        "workloads": ["site"],
        "due_at": "2026-01-06T02:00:00Z",
        "last_fired_at": "2026-01-05T02:00:00Z",
        "next_command": f"tinyforge preview {name}",
    }
    return TriggerView(**{**fields, **changes})  # type: ignore[arg-type]


def trigger_detail(**changes: object) -> TriggerDetail:
    binding = BindingView(
        id="bnd_01ka8x3v2m000",
        name="nightly.site",
        trigger="nightly",
        workload="site",
        match={},
        enabled=True,
        managed_by="manifest:default",
    )
    return TriggerDetail(
        trigger=trigger(**changes), timing=None, bindings=[binding], revisions=[], events=[event()]
    )


def event(number: int = 0, **changes: object) -> EventView:
    fields: dict[str, object] = {
        "id": f"evt_{number:013d}",
        "trigger": "nightly",
        "accepted_at": "2026-01-05T02:00:00.004Z",
        "window": "2026-01-05T02:00:00Z",
        "late_by_us": 4_000,
        "fanned_at": "2026-01-05T02:00:00.006Z",
    }
    return EventView(**{**fields, **changes})  # type: ignore[arg-type]


def result(outcome: str = "matched", **changes: object) -> ResultView:
    fields: dict[str, object] = {
        "binding": "nightly.site",
        "workload": "site",
        "outcome": outcome,
        "run": RUN if outcome == "matched" else None,
        "run_state": "queued" if outcome == "matched" else None,
    }
    return ResultView(**{**fields, **changes})  # type: ignore[arg-type]


def event_detail(*results: ResultView) -> EventDetail:
    return EventDetail(
        event=event(), results=results, next_command="tinyforge trigger show nightly"
    )


def fire(*results: ResultView, **changes: object) -> FireView:
    fields: dict[str, object] = {
        "trigger": "nightly",
        "event": EVENT,
        "results": results,
        "rules_applied": True,
        "next_command": f"tinyforge run logs {RUN} --follow",
    }
    return FireView(**{**fields, **changes})  # type: ignore[arg-type]


def run(number: int = 0, **changes: object) -> RunView:
    fields: dict[str, object] = {
        "id": f"run_{number:013d}",
        "event": EVENT,
        "trigger": "nightly",
        "binding": "nightly.site",
        "workload": "site",
        "state": "succeeded",
        "queued_at": "2026-01-05T02:00:00Z",
        "ready_at": "2026-01-05T02:00:00Z",
        "started_at": "2026-01-05T02:00:00.1Z",
        "ended_at": "2026-01-05T02:00:02.2Z",
        "took_us": 2_100_000,
        "attempt": 1,
    }
    return RunView(**{**fields, **changes})  # type: ignore[arg-type]


def run_detail(state: str = "succeeded", **changes: object) -> RunDetail:
    attempt = AttemptView(
        number=1,
        started_at="2026-01-05T02:00:00.1Z",
        ended_at="2026-01-05T02:00:02.2Z",
        outcome=state,
        took_us=2_100_000,
    )
    return RunDetail(
        run=run(**{"id": RUN, "state": state, **changes}),
        attempts=[attempt],
        next_command=f"tinyforge run show {RUN}",
    )


def log(*lines: str, state: str = "running", over: bool = False, after: int = 0) -> LogView:
    chunks = [ChunkView(seq=after, at="2026-01-05T02:00:01Z", lines=lines)] if lines else []
    return LogView(chunks=chunks, next=after, over=over, state=state)


def page(*items: object, next: str | None = None) -> Page[object]:  # noqa: A002 - its name
    return Page(items=list(items), next=next)
