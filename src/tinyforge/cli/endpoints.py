"""What `tinyforge trigger url` and `tinyforge trigger test` do."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from tinyforge.cli.client import named
from tinyforge.cli.facts import read_facts
from tinyforge.cli.failure import CalledWrongly
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column
from tinyforge.inbound.samples import FACTS
from tinyforge.operations.views import SampleRequest, SampleView, SetupView

REFUSED = 300  # and what lies above


def url(name: str, /, *, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        reply = api.get(f"/triggers/{named(name)}/endpoint", SetupView)
    if shared.json:
        return out.raw(reply.body)
    view = reply.read()
    out.line(view.endpoint.url or "")
    out.line()
    for place, step in enumerate(view.steps, 1):
        first, *more = step.split("\n")
        out.line(f"{place}. {first}")
        for line in more:  # of a file, to be copied
            out.line(line)
    if view.hint:
        out.hint(view.hint)
    out.next(view.next_command)
    return 0


def try_out(
    name: str,
    /,
    *,
    event: Annotated[
        str | None, Parameter(help="What to send: push, tag, image, … [default: the usual one]")
    ] = None,
    fact: Annotated[
        tuple[str, ...], Parameter(help="NAME=TEXT of the sample, as branch=main; repeatable.")
    ] = (),
    deploy: Annotated[
        bool, Parameter(help="Store it and deploy what matches; else it is only rehearsed.")
    ] = False,
    shared: Shared = DEFAULT,
) -> int:
    facts = {key: str(value) for key, value in (read_facts(fact, ()) or {}).items()}
    for unknown in facts.keys() - set(FACTS):
        raise CalledWrongly(f"--fact {unknown}: no fact {unknown!r}; known: {', '.join(FACTS)}")
    out = screen(shared)
    with reach(out, Offline.NOTHING) as api:
        asked = SampleRequest(event=event, facts=facts, deploy=deploy)
        reply = api.post(f"/triggers/{named(name)}/test", SampleView, asked)
    view = reply.read()
    if shared.json:
        out.raw(reply.body)
    else:
        _show(out, view)
    return 0 if view.status < REFUSED else 1


def _show(out: Screen, view: SampleView) -> None:
    out.line(f"sent: {view.says}, to {view.sent_to}")
    said = f"{view.outcome}: {view.reason}" if view.reason else view.outcome
    out.line(f"answered: {view.status} {said}")
    out.line()
    columns = (Column("BINDING"), Column("OUTCOME", whole=True, state=True), Column("WHY"))
    rows = ((one.binding, one.outcome, one.run or one.reason) for one in view.bindings)
    if not out.table(columns, rows):
        out.line("nothing was decided for any binding")
    if not view.deployed:
        out.hint("it was rehearsed: nothing is stored, nothing deployed; --deploy does both")
    out.next(view.next_command)
