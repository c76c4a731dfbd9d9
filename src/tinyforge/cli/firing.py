"""What a fire or a deploy did, and the way to the end of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.client import Api, Reply
from tinyforge.cli.following import Ending, follow_to_end
from tinyforge.cli.screen import Screen
from tinyforge.cli.tables import Column
from tinyforge.operations.views import FireView, ResultView

SUCCEEDED = "succeeded"
FAILED = frozenset({"match_failed", "unknown_kind", "quarantined"})  # outcomes
DEPLOYS = "deploy."  # triggers that `deploy` made: they have no rules


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FireFlags:
    dry_run: Annotated[bool, Parameter(help="Say what would run, and store nothing.")] = False
    wait: Annotated[bool, Parameter(help="Follow the runs to their end; exit 1 if one fails.")] = (
        False
    )


NO_FLAGS = FireFlags()


def report(out: Screen, api: Api, reply: Reply[FireView], flags: FireFlags) -> int:
    """Show what came of it; return 1 where a binding could not be served.

    With `--wait` return 0 only when a run was made and all succeeded.
    """
    view = reply.read()
    waits = flags.wait and not view.dry_run
    if out.shared.json:
        return _wait_for_programs(out, api, view) if waits else out.raw(reply.body) or _code(view)
    _results(out, view)
    runs = [result for result in view.results if result.run]
    if not waits:
        out.next(view.next_command)
        return _code(view)
    if not runs:
        out.hint("nothing was queued, so there is nothing to wait for")
        out.next(view.next_command)
        return 1
    return _wait(out, api, runs) or _code(view)


def _code(view: FireView) -> int:
    return 1 if any(result.outcome in FAILED for result in view.results) else 0


def _results(out: Screen, view: FireView) -> None:
    if view.dry_run:
        out.title(f"{view.trigger} would fire; nothing is stored")
    else:
        out.title(f"{view.trigger} fired: {view.event}")
    if not view.rules_applied and not view.trigger.startswith(DEPLOYS):
        out.line("without facts, no binding's rule is applied")
    columns = (
        Column("WORKLOAD"),
        Column("RESULT", state=True),
        Column("RUN", whole=True),
        Column("WHY"),
    )
    rows = ((one.workload, one.outcome, one.run or "-", one.reason) for one in view.results)
    if not out.table(columns, rows):
        out.line("it is bound to no workload: add a binding to the manifest")


def _wait(out: Screen, api: Api, runs: Sequence[ResultView]) -> int:
    endings = []
    for result in runs:
        out.title(f"{result.workload}  {result.run}")
        endings.append(ending := follow_to_end(out, api, result.run or ""))
        out.line(_words(ending))
        if ending.state != SUCCEEDED:
            out.next(ending.next_command)
    return 0 if all(ending.state == SUCCEEDED for ending in endings) else 1


def _words(ending: Ending) -> str:
    because = f": {ending.error}" if ending.error else ""
    return f"{ending.run} {ending.state}{because}"


def _wait_for_programs(out: Screen, api: Api, view: FireView) -> int:
    """Write one JSON value a line: the fire, then each run as it ends."""
    out.out.write(json.encode(view).decode() + "\n")
    endings = []
    for result in view.results:
        if result.run:
            endings.append(ending := follow_to_end(out, api, result.run, quiet=True))
            out.out.write(json.encode(ending.detail).decode() + "\n")
    good = bool(endings) and all(ending.state == SUCCEEDED for ending in endings)
    return _code(view) if good else 1
