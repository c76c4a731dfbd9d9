"""What `tinyforge deploy` and `tinyforge workload …` do."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.bindings import show_bindings
from tinyforge.cli.client import named
from tinyforge.cli.firing import NO_FLAGS, FireFlags, report
from tinyforge.cli.lists import items, raw_list
from tinyforge.cli.moments import show_length
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.revisions import show_revisions
from tinyforge.cli.runs import show_runs
from tinyforge.cli.screen import screen
from tinyforge.cli.tables import Column
from tinyforge.operations.views import DeployRequest, FireView, WorkloadDetail, WorkloadView

COLUMNS = (
    Column("NAME"),
    Column("KIND"),
    Column("QUEUE", leave_out=2),
    Column("TIMEOUT", whole=True, right=True, leave_out=1),
    Column("ON", leave_out=3),
    Column("PROBLEM"),
)
LATEST = 5  # runs and revisions that `show` lists


def deploy(
    workload: str,
    /,
    *,
    flags: FireFlags = NO_FLAGS,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    with reach(out, Offline.NOTHING) as api:
        asked = DeployRequest(dry_run=flags.dry_run)
        reply = api.post(f"/workloads/{named(workload)}/deploy", FireView, asked)
        return report(out, api, reply, flags)


def list_(
    *,
    kind: Annotated[str | None, Parameter(help="Only of this kind.")] = None,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        pages = api.rows("/workloads", {"kind": kind})
        if shared.json:
            return raw_list(out, pages)
        rows = (
            (
                one.name,
                one.kind,
                one.queue,
                show_length(one.timeout_us),
                ",".join(one.on) or "-",
                one.problem or "-",
            )
            for one in items(pages, WorkloadView)
        )
        if not out.table(COLUMNS, rows):
            out.hint("no such workloads" if kind else "no workloads")
    return 0


def show(workload: str, /, *, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        reply = api.get(f"/workloads/{named(workload)}", WorkloadDetail)
    if shared.json:
        return out.raw(reply.body)
    detail = reply.read()
    out.facts(_facts(detail.workload))
    out.line()
    if not show_bindings(out, detail.bindings, "trigger"):
        out.line("no trigger deploys it: add a binding to the manifest")
    out.line()
    if not show_runs(out, detail.runs[:LATEST]):
        out.line("no runs yet")
    show_revisions(out, detail.revisions[:LATEST])
    out.next(detail.workload.next_command)
    return 0


def _facts(one: WorkloadView) -> dict[str, str]:
    attempts = f"{one.attempts}, the next after {show_length(one.backoff_us)}"
    return {
        "name": one.name,
        "kind": one.kind,
        "problem": one.problem or "",
        "queue": one.queue,
        "timeout": show_length(one.timeout_us),
        "attempts": attempts if one.attempts > 1 else "1",
        "idempotent": "" if one.idempotent is None else "yes" if one.idempotent else "no",
        "on": ",".join(one.on),
        "config": json.encode(one.config).decode(),
        "owner": one.managed_by,
        "id": one.id,
    }
