"""What `tinyforge event …` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.client import named
from tinyforge.cli.lists import Limit, items, raw_list
from tinyforge.cli.moments import show_length
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column, Row
from tinyforge.model import Json
from tinyforge.operations.views import EventDetail, EventView, ResultView

COLUMNS = (
    Column("EVENT", whole=True),
    Column("TRIGGER"),
    Column("CHANGE"),
    Column("ACCEPTED", whole=True),
    Column("LATE", whole=True, right=True),
    Column("WINDOW", whole=True, leave_out=3),
    Column("FOLDED", whole=True, right=True, leave_out=1),
    Column("BY", leave_out=2),
)


def list_(
    *,
    trigger: Annotated[str | None, Parameter(help="Only of this trigger.")] = None,
    limit: Limit = 50,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        pages = api.pages("/events", {"trigger": trigger}, limit)
        if shared.json:
            return raw_list(out, pages)
        if not out.table(COLUMNS, (_row(out, one) for one in items(pages, EventView))):
            out.hint("no events yet" if trigger is None else f"no events of {trigger} yet")
            out.next("tinyforge preview" + (f" {trigger}" if trigger else ""))
    return 0


def _row(out: Screen, event: EventView) -> Row:
    return (
        event.id,
        event.trigger,
        _changed(event.facts) or "-",
        out.when(event.accepted_at),
        show_length(event.late_by_us) if event.window else "-",
        out.when(event.window),
        _folded(event) or "-",
        event.actor or "-",
    )


def _changed(facts: Json) -> str:
    """Return the branch, tag or image of the last change, and how many there are beside it."""
    listed = facts.get("changes")
    changes = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    last = changes[-1] if changes else facts
    image, tag = str(last.get("image") or ""), str(last.get("tag") or "")
    name = image.partition("/")[2] or image  # without its registry
    what = f"{name}:{tag}" if name and tag else name or str(last.get("branch") or tag)
    return f"{what} +{len(changes) - 1}" if what and len(changes) > 1 else what


def _folded(event: EventView) -> str:
    return "many" if event.folded is None else str(event.folded or "")


def show(event: str, /, *, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        reply = api.get(f"/events/{named(event)}", EventDetail)
    if shared.json:
        return out.raw(reply.body)
    detail = reply.read()
    show_event(out, detail)
    out.next(detail.next_command)
    return 0


def show_event(out: Screen, detail: EventDetail) -> None:
    event = detail.event
    out.facts(
        {
            "event": event.id,
            "trigger": event.trigger,
            "window": out.when(event.window) if event.window else "",
            "accepted": out.when(event.accepted_at),
            "late by": show_length(event.late_by_us) if event.window else "",
            "folded": _folded_words(out, event),
            "by": event.actor or "",
            "rules": "" if event.rules_applied else "not applied: fired by hand without facts",
            "facts": json.encode(event.facts).decode() if event.facts else "",
            "fanned out": out.when(event.fanned_at) if event.fanned_at else "not yet",
        }
    )
    show_results(out, detail.results)


def _folded_words(out: Screen, event: EventView) -> str:
    if event.folded == 0:
        return ""
    count = "more than 100" if event.folded is None else str(event.folded)
    return f"{count} older windows, from {out.when(event.folded_from)}"


def show_results(out: Screen, results: Sequence[ResultView]) -> None:
    out.line()
    columns = (
        Column("WORKLOAD"),
        Column("RESULT", whole=True, state=True),
        Column("RUN", whole=True),
        Column("STATE", whole=True, state=True),
        Column("WHY"),
    )
    rows = ((r.workload, r.outcome, r.run or "-", r.run_state or "-", r.reason) for r in results)
    if not out.table(columns, rows):
        out.line("no results: it is bound to no workload, or not fanned out yet")
