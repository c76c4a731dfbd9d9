"""What `tinyforge run …` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.client import Api, named
from tinyforge.cli.failure import Interrupted
from tinyforge.cli.following import chunks, show_lines
from tinyforge.cli.lists import Limit, items, raw_list
from tinyforge.cli.moments import show_length
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column, Row
from tinyforge.operations.views import RunDetail, RunView

State: TypeAlias = Literal[
    "queued", "running", "succeeded", "failed", "cancelled", "superseded", "interrupted"
]
COLUMNS = (
    Column("RUN", whole=True),
    Column("STATE", whole=True, state=True),
    Column("WORKLOAD"),
    Column("TRIGGER", leave_out=2),
    Column("QUEUED", whole=True),
    Column("TOOK", whole=True, right=True),
    Column("WHY", leave_out=1),
)
ATTEMPTS = (
    Column("ATTEMPT", whole=True, right=True),
    Column("OUTCOME", whole=True, state=True),
    Column("STARTED", whole=True),
    Column("TOOK", whole=True, right=True),
    Column("ERROR"),
)


def list_(
    *,
    workload: Annotated[str | None, Parameter(help="Only of this workload.")] = None,
    state: Annotated[State | None, Parameter(help="Only those that are so now.")] = None,
    event: Annotated[str | None, Parameter(help="Only of this event.")] = None,
    limit: Limit = 50,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    wanted = {"workload": workload, "state": state, "event": event}
    with reach(out, Offline.READ) as api:
        pages = api.pages("/runs", wanted, limit)
        if shared.json:
            return raw_list(out, pages)
        failed: list[RunView] = []
        runs = items(pages, RunView)
        if not show_runs(out, _noting(failed, runs)):
            narrowed = any(wanted.values())
            out.hint("no such runs" if narrowed else "no runs yet")
            out.next("tinyforge run list" if narrowed else "tinyforge trigger list")
    _say_failed(out, failed)
    return 0


def _noting(failed: list[RunView], runs: Iterator[RunView]) -> Iterator[RunView]:
    """Pass *runs* on, and keep the newest that failed."""
    for run in runs:
        if run.state == "failed" and not failed:
            failed.append(run)
        yield run


def _say_failed(out: Screen, failed: list[RunView]) -> None:
    for run in failed:
        out.hint(f"the newest that failed: {run.id}: {run.error or 'no reason was given'}")
        out.next(f"tinyforge run logs {run.id}")


def show_runs(out: Screen, runs: Iterable[RunView]) -> bool:
    return out.table(COLUMNS, (_row(out, one) for one in runs))


def _row(out: Screen, run: RunView) -> Row:
    return (
        run.id,
        run.state,
        run.workload,
        run.trigger,
        out.when(run.queued_at),
        show_length(run.took_us),
        run.error or run.waiting or "",
    )


def show(run: str, /, *, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        reply = api.get(f"/runs/{named(run)}", RunDetail)
    if shared.json:
        return out.raw(reply.body)
    detail = reply.read()
    _show(out, detail)
    out.next(detail.next_command)
    return 0


def _show(out: Screen, detail: RunDetail) -> None:
    out.facts(_facts(out, detail.run))
    if detail.attempts:
        out.line()
    rows = (
        (str(a.number), a.outcome, out.when(a.started_at), show_length(a.took_us), a.error or "")
        for a in detail.attempts
    )
    out.table(ATTEMPTS, rows)


def _facts(out: Screen, run: RunView) -> dict[str, str]:
    return {
        "run": run.id,
        "state": run.state,
        "error": run.error or "",
        "waits": run.waiting or "",
        "superseded by": run.superseded_by or "",
        "workload": run.workload,
        "trigger": run.trigger,
        "event": run.event,
        "queued": out.when(run.queued_at),
        "ready": out.when(run.ready_at) if run.ready_at != run.queued_at else "",
        "started": out.when(run.started_at) if run.started_at else "",
        "ended": out.when(run.ended_at) if run.ended_at else "",
        "took": show_length(run.took_us) if run.took_us is not None else "",
    }


def logs(
    run: str,
    /,
    *,
    follow: Annotated[bool, Parameter(alias="-f", help="Go on until the run is over.")] = False,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        try:
            for chunk in chunks(api, run, follow=follow and api.live):
                if shared.json:
                    out.out.write(json.encode(chunk).decode() + "\n")
                else:
                    show_lines(out, chunk)
        except KeyboardInterrupt:
            raise Interrupted(run) from None
        if not shared.json:
            _after_log(out, api, run)
    return 0


def _after_log(out: Screen, api: Api, run: str) -> None:
    """Say how it ended, except where there is nothing left to do."""
    detail = api.get(f"/runs/{named(run)}", RunDetail).read()
    if detail.run.state == "succeeded":
        return
    because = f": {detail.run.error}" if detail.run.error else ""
    out.hint(f"{run} is {detail.run.state}{because}")
    out.next(detail.next_command)


def cancel(run: str, /, *, shared: Shared = DEFAULT) -> int:
    return _act(run, "cancel", shared)


def retry(run: str, /, *, shared: Shared = DEFAULT) -> int:
    return _act(run, "retry", shared)


def _act(run: str, act: str, shared: Shared) -> int:
    out = screen(shared)
    with reach(out, Offline.NOTHING) as api:
        reply = api.post(f"/runs/{named(run)}/{act}", RunDetail)
    if shared.json:
        return out.raw(reply.body)
    detail = reply.read()
    out.line(f"{detail.run.id} is {detail.run.state}")
    out.next(detail.next_command)
    return 0
