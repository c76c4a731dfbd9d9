"""What `tinyforge binding …` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.lists import items, raw_list
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column, Row
from tinyforge.operations.views import BindingView

ITS_NAME = Column("BINDING")
ITS_RULE = (Column("MATCH"), Column("STATE", state=True))


def list_(
    *,
    trigger: Annotated[str | None, Parameter(help="Only of this trigger.")] = None,
    workload: Annotated[str | None, Parameter(help="Only of this workload.")] = None,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        pages = api.rows("/bindings", {"trigger": trigger, "workload": workload})
        if shared.json:
            return raw_list(out, pages)
        columns = (ITS_NAME, Column("TRIGGER", leave_out=1), Column("WORKLOAD"), *ITS_RULE)
        rows = (
            (one.name, one.trigger, one.workload, *_rule(one)) for one in items(pages, BindingView)
        )
        if not out.table(columns, rows):
            out.hint("no such bindings" if trigger or workload else "no bindings")
    return 0


def show_bindings(out: Screen, bindings: Sequence[BindingView], other: str) -> bool:
    """Write those of one row, each with its name, its *other* end and its rule."""
    columns = (ITS_NAME, Column(other.upper()), *ITS_RULE)
    return out.table(columns, (_row(one, other) for one in bindings))


def _row(binding: BindingView, other: str) -> Row:
    end = binding.trigger if other == "trigger" else binding.workload
    return (binding.name, end, *_rule(binding))


def _rule(binding: BindingView) -> tuple[str, str]:
    match = json.encode(binding.match).decode() if binding.match else ""
    rule = " when ".join(part for part in (match, binding.when) if part) or "always"
    state = "broken" if binding.problem else "active" if binding.enabled else "disabled"
    return rule, state
