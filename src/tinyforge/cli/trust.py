"""What `explain`, `verify` and `doctor` do: say what happened, and whether all of it is right."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.client import named
from tinyforge.cli.events import show_event
from tinyforge.cli.failure import CalledWrongly
from tinyforge.cli.moments import read_moment, show_length
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.outside import Outside
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.remote import ca_file, read_address
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column, Row
from tinyforge.cli.text import counted
from tinyforge.clock import SECOND, SystemClock, rfc3339
from tinyforge.operations.answers import CheckView, DoctorView, ExplainView, ReplicaView, VerifyView

REPLICAS = (
    Column("SERVER", whole=True, right=True),
    Column("VERSION", whole=True),
    Column("SINCE", whole=True, leave_out=2),
    Column("CLOCK", whole=True, right=True, leave_out=1),
    Column("LABELS"),
)


def explain(
    trigger: str,
    time: Annotated[
        str | None,
        Parameter(allow_leading_hyphen=True, help="A window's moment; none: the last decisions."),
    ] = None,
    /,
    *,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    asked = None
    if time is not None:
        asked = rfc3339(read_moment(time, SystemClock().now(), in_utc=shared.utc))
    with reach(out, Offline.READ) as api:
        reply = api.get(f"/triggers/{named(trigger)}/explain", ExplainView, {"at": asked})
    if shared.json:
        return out.raw(reply.body)
    _explained(out, reply.read())
    return 0


def _explained(out: Screen, view: ExplainView) -> None:
    out.line(out.words(view.words))
    if view.nearest_before or view.nearest_after:
        out.facts(
            {
                "window before": out.when(view.nearest_before) if view.nearest_before else "",
                "window after": out.when(view.nearest_after) if view.nearest_after else "",
            }
        )
    if view.event:
        out.line()
        show_event(out, view.event)
    columns = (
        Column("AT", whole=True),
        Column("DECISION", whole=True, state=True),
        Column("EVENT", whole=True),
        Column("WHY"),
    )
    out.table(
        columns,
        ((out.when(d.at), d.verdict, d.event or "-", out.words(d.words)) for d in view.decisions),
    )
    if view.due_at:
        out.line(f"next window {out.when(view.due_at)}")
    out.next(view.next_command)


def verify(trigger: str | None = None, /, *, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        reply = api.get("/verify", VerifyView, {"trigger": trigger})
    view = reply.read()
    if shared.json:
        out.raw(reply.body)
    else:
        _verified(out, view)
    return 0 if view.ok else 1


def _verified(out: Screen, view: VerifyView) -> None:
    checked = view.checked
    out.line(
        f"checked {counted(checked.windows, 'window')} and {counted(checked.events, 'event')}"
        f" of {counted(checked.triggers, 'trigger')}"
    )
    columns = (
        Column("TRIGGER"),
        Column("FAULT", whole=True),
        Column("WINDOW", whole=True),
        Column("WHAT"),
    )
    out.table(
        columns, ((f.trigger, f.fault, out.when(f.window), out.words(f.words)) for f in view.faults)
    )
    for one in view.open:
        overdue = show_length(one.overdue_us)
        out.line(f"{one.trigger}: not decided since {out.when(one.oldest)}, overdue by {overdue}")
    for note in view.notes:
        out.hint(out.words(note))
    if view.ok:
        out.line("every window has exactly one decision, and every event its results")
    else:
        out.hint(counted(len(view.faults), "fault") if view.faults else "windows are overdue")
    out.next(view.next_command)


def _replica(out: Screen, one: ReplicaView) -> Row:
    off = "" if one.clock_off_us is None else f"{one.clock_off_us / SECOND:+.3f} s"
    labels = ",".join(one.labels)
    return (str(one.number), one.version, out.when(one.started_at), off, labels or "-")


def doctor(
    *,
    url: Annotated[
        str | None, Parameter(help="Look at the server from outside, at this address.")
    ] = None,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    if url is not None:
        return _from_outside(out, url)
    with reach(out, Offline.READ) as api:
        reply = api.get("/doctor", DoctorView)
    view = reply.read()
    if shared.json:
        out.raw(reply.body)
        return 1 if view.worst == "fail" else 0
    for check in view.checks:
        _checked(out, check)
    if len(view.replicas) > 1:
        out.line()
        out.table(REPLICAS, (_replica(out, one) for one in view.replicas))
    return 1 if view.worst == "fail" else 0


def _checked(out: Screen, check: CheckView) -> None:
    out.out.write(f"{out.state(check.verdict)}{' ' * (6 - len(check.verdict))}")
    out.line(f"{check.name}: {out.words(check.what)}")
    if check.fix:
        out.line(f"      fix: {out.command(check.fix)}")


def _from_outside(out: Screen, url: str) -> int:
    """Show each check as it is made; what is asked for is the server that commands reach."""
    try:
        at = read_address(url)
    except ValueError as problem:
        raise CalledWrongly(f"--url: {problem}") from None
    found: list[CheckView] = []
    with reach(out, Offline.NOTHING) as api:
        for check in Outside(at, ca_file(os.environ), api, SystemClock().now()).checks():
            found.append(check)
            if not out.shared.json:
                _checked(out, check)
    if out.shared.json:
        out.raw(json.encode({"url": str(at), "checks": found}))
    return 1 if any(check.verdict == "fail" for check in found) else 0
