"""What `tinyforge trigger …` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.bindings import show_bindings
from tinyforge.cli.client import named
from tinyforge.cli.facts import read_facts
from tinyforge.cli.firing import NO_FLAGS, FireFlags, report
from tinyforge.cli.lists import items, raw_list
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.revisions import show_revisions
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column, Row
from tinyforge.operations.views import (
    BindingView,
    EndpointView,
    EventView,
    FireRequest,
    FireView,
    SpanView,
    SwitchView,
    TriggerDetail,
    TriggerState,
    TriggerView,
)
from tinyforge.sizes import show_size

COLUMNS = (
    Column("NAME"),
    Column("STATE", whole=True, state=True),
    Column("WHEN"),
    Column("NEXT", whole=True),
    Column("LAST FIRED", whole=True, leave_out=2),
    Column("WORKLOADS", leave_out=1),
)
LATEST = 5  # events and revisions that `show` lists


def list_(
    *,
    kind: Annotated[str | None, Parameter(help="Only of this kind.")] = None,
    state: Annotated[TriggerState | None, Parameter(help="Only those that are so now.")] = None,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    wanted = {"kind": kind, "state": state}
    broken: list[TriggerView] = []
    with reach(out, Offline.READ) as api:
        pages = api.rows("/triggers", wanted)
        if shared.json:
            return raw_list(out, pages)
        triggers = _noting(broken, items(pages, TriggerView))
        if not out.table(COLUMNS, (_row(out, trigger) for trigger in triggers)):
            _none(out, narrowed=any(wanted.values()))
    _say_broken(out, broken)
    return 0


def _none(out: Screen, *, narrowed: bool) -> None:
    if narrowed:
        out.hint("no such triggers")
        out.next("tinyforge trigger list")
    else:
        out.hint("no triggers")
        out.hint("next: tinyforge init")  # which takes no --data


def _noting(broken: list[TriggerView], triggers: Iterator[TriggerView]) -> Iterator[TriggerView]:
    """Pass *triggers* on, and keep those that are broken."""
    for trigger in triggers:
        if trigger.state == "broken":
            broken.append(trigger)
        yield trigger


def _row(out: Screen, trigger: TriggerView) -> Row:
    return (
        trigger.name,
        trigger.state,
        trigger.says or (f"{trigger.kind}, unsigned" if trigger.unsigned else trigger.kind),
        out.when(trigger.due_at),
        out.when(trigger.last_fired_at),
        ", ".join(trigger.workloads),
    )


def _say_broken(out: Screen, broken: Sequence[TriggerView]) -> None:
    if broken:
        out.hint(f"{len(broken)} broken: {broken[0].name}: {broken[0].problem}")
        out.next(broken[0].next_command)


def show(name: str, /, *, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        reply = api.get(f"/triggers/{named(name)}", TriggerDetail)
    if shared.json:
        return out.raw(reply.body)
    detail = reply.read()
    out.facts(_facts(out, detail))
    _bindings(out, detail.bindings)
    _events(out, detail.events[:LATEST])
    show_revisions(out, detail.revisions[:LATEST])
    out.next(detail.trigger.next_command)
    return 0


def _facts(out: Screen, detail: TriggerDetail) -> dict[str, str]:
    trigger, timing = detail.trigger, detail.timing
    return {
        "name": trigger.name,
        "kind": trigger.kind,
        "state": trigger.state,
        "problem": trigger.problem or "",
        "when": trigger.says,
        "next": out.when(trigger.due_at) if trigger.due_at else "",
        "last fired": out.when(trigger.last_fired_at) if trigger.last_fired_at else "",
        "decided until": out.when(timing.decided_until) if timing else "",
        "paused": out.when(trigger.paused_at) if trigger.paused_at else "",
        "config": json.encode(trigger.config).decode(),
        "owner": trigger.managed_by,
        **_endpoint(out, detail.endpoint),
        "id": trigger.id,
    }


def _endpoint(out: Screen, endpoint: EndpointView | None) -> dict[str, str]:
    if endpoint is None:
        return {}
    unsigned = "unsigned: whoever has the URL can send" if endpoint.unsigned else ""
    large = endpoint.too_large
    return {
        "endpoint": endpoint.url or endpoint.problem or "",
        "sender": unsigned,
        **{
            f"secret {one.place}": f"{one.says}, last used {_when(out, one.last_used_at)}"
            for one in endpoint.secrets
        },
        "max_body": show_size(endpoint.max_body),
        "too large": f"{show_size(large.size)}, refused {out.when(large.at)}" if large else "",
    }


def _when(out: Screen, moment: str | None) -> str:
    return out.when(moment) if moment else "never"


def _bindings(out: Screen, bindings: Sequence[BindingView]) -> None:
    out.line()
    if not show_bindings(out, bindings, "workload"):
        out.line("bound to no workload: add a binding to the manifest")


def _events(out: Screen, events: Sequence[EventView]) -> None:
    out.line()
    columns = (
        Column("LATEST EVENTS", whole=True),
        Column("WINDOW", whole=True),
        Column("ACCEPTED", whole=True),
    )
    rows = ((one.id, out.when(one.window), out.when(one.accepted_at)) for one in events)
    if not out.table(columns, rows):
        out.line("no events yet")


def pause(name: str, /, *, shared: Shared = DEFAULT) -> int:
    return _switch(name, "pause", shared)


def resume(name: str, /, *, shared: Shared = DEFAULT) -> int:
    return _switch(name, "resume", shared)


def _switch(name: str, act: str, shared: Shared) -> int:
    out = screen(shared)
    with reach(out, Offline.WRITE) as api:
        reply = api.post(f"/triggers/{named(name)}/{act}", SwitchView)
    if shared.json:
        return out.raw(reply.body)
    view = reply.read()
    was = "" if view.changed else "already "
    out.line(f"{view.trigger.name} is {was}{view.trigger.state}")
    if view.fired:
        out.line(f"fired {view.fired.id} for its window {out.when(view.fired.window)}")
    if view.skipped:
        out.line(skipped_words(out, view.skipped))
    if view.trigger.due_at:
        out.line(f"next window {out.when(view.trigger.due_at)}")
    out.next(view.next_command or view.trigger.next_command)
    return 0


def skipped_words(out: Screen, span: SpanView) -> str:
    count = "more than were counted" if span.count is None else str(span.count)
    moments = out.when(span.oldest)
    if span.oldest != span.newest:
        moments += f" to {out.when(span.newest)}"
    return f"skipped {count}, {moments}: {span.words}"


def fire(
    name: str,
    /,
    *,
    fact: Annotated[tuple[str, ...], Parameter(help="NAME=TEXT; repeatable.")] = (),
    fact_json: Annotated[
        tuple[str, ...], Parameter(help="NAME=JSON, for other than text; repeatable.")
    ] = (),
    flags: FireFlags = NO_FLAGS,
    shared: Shared = DEFAULT,
) -> int:
    facts = read_facts(fact, fact_json)
    out = screen(shared)
    with reach(out, Offline.NOTHING) as api:
        asked = FireRequest(facts=facts, dry_run=flags.dry_run)
        reply = api.post(f"/triggers/{named(name)}/fire", FireView, asked)
        return report(out, api, reply, flags)
