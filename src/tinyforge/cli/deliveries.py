"""What `tinyforge delivery …` does."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from tinyforge.cli.client import named
from tinyforge.cli.events import show_results
from tinyforge.cli.lists import Limit, items, raw_list
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column, Row
from tinyforge.operations.delivered import (
    DeliveryDetail,
    DeliveryView,
    EarlierView,
    ReplayRequest,
)
from tinyforge.operations.views import FireView

COLUMNS = (
    Column("DELIVERY", whole=True),
    Column("TRIGGER"),
    Column("RECEIVED", whole=True),
    Column("TAKEN AS", whole=True, state=True),
    Column("EVENT", whole=True, leave_out=1),
    Column("SENDER'S ID", leave_out=3),
    Column("BYTES", whole=True, right=True, leave_out=2),
    Column("WHY", leave_out=4),
)


def list_(
    *,
    trigger: Annotated[str | None, Parameter(help="Only of this trigger.")] = None,
    taken: Annotated[
        str | None,
        Parameter(help="Only accepted, ignored, disabled, duplicate or conflict ones."),
    ] = None,
    limit: Limit = 50,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        pages = api.pages("/deliveries", {"trigger": trigger, "taken": taken}, limit)
        if shared.json:
            return raw_list(out, pages)
        if not out.table(COLUMNS, (_row(out, one) for one in items(pages, DeliveryView))):
            out.hint("nothing has been delivered" + (f" to {trigger}" if trigger else ""))
            out.next(f"tinyforge trigger url {trigger or 'NAME'}")
    return 0


def _row(out: Screen, one: DeliveryView) -> Row:
    return (
        one.id,
        one.trigger,
        out.when(one.received_at),
        one.taken,
        one.event or "-",
        one.sender_id or "-",
        str(one.size),
        one.reason,
    )


def show(delivery: str, /, *, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        reply = api.get(f"/deliveries/{named(delivery)}", DeliveryDetail)
    if shared.json:
        return out.raw(reply.body)
    detail = reply.read()
    _show(out, detail)
    out.next(detail.next_command)
    return 0


def replay(
    delivery: str,
    /,
    *,
    what_if: Annotated[
        bool, Parameter(help="Say what would be decided, and queue nothing.", negative="")
    ] = False,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    with reach(out, Offline.NOTHING) as api:
        reply = api.post(
            f"/deliveries/{named(delivery)}/replay", FireView, ReplayRequest(dry_run=what_if)
        )
    if shared.json:
        return out.raw(reply.body)
    view = reply.read()
    if view.dry_run:
        out.title(f"{view.trigger} would decide so; nothing is stored")
    else:
        out.title(f"{view.trigger} has a new event: {view.event}")
    show_results(out, view.results)
    out.next(view.next_command)
    return 0


def _show(out: Screen, detail: DeliveryDetail) -> None:
    one = detail.delivery
    out.facts(
        {
            "delivery": one.id,
            "trigger": one.trigger,
            "received": out.when(one.received_at),
            "from": one.source,
            "sender's id": one.sender_id,
            "proved": detail.proof,
            "taken as": one.taken + (f": {one.reason}" if one.reason else ""),
            "event": one.event or "",
            "body": f"{one.size} bytes, SHA-256 {detail.digest}",
        }
    )
    for before in detail.earlier:
        _show_earlier(out, before)
    if detail.event is not None:
        show_results(out, detail.event.results)
    out.line()
    for name, value in detail.headers.items():
        out.line(f"{name}: {value}")
    out.line()
    if detail.body is None:
        out.line("the body is kept no longer")
        return
    for line in detail.body.splitlines():
        out.line(line)
    if detail.body_cut:
        out.line("… the rest is left out; the API has it below /body")


def _show_earlier(out: Screen, before: EarlierView) -> None:
    out.line()
    reason = f": {before.reason}" if before.reason else ""
    out.line(f"before, at {out.when(before.decided_at)}: {before.taken}{reason}")
    if before.results:
        show_results(out, before.results)
