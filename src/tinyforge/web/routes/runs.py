"""Runs, newest first: their logs, and how to stop one or do it again."""

from __future__ import annotations

from litestar import get, post

from tinyforge.operations.runs import RUN_WORDS, Wanted
from tinyforge.operations.views import LogView, Page, RunDetail, RunView
from tinyforge.web.reading import one_of
from tinyforge.web.routes.parameters import (
    DEPLOY,
    READ,
    Asker,
    Count,
    Doors,
    Name,
    Seq,
    State,
    Text,
)


@get("/runs", opt=READ)
async def runs(  # noqa: PLR0913 - one for each filter
    doors: Doors,
    caller: Asker,
    *,
    workload: Text = None,
    being: State = None,
    event: Text = None,
    before: Text = None,
    limit: Count = 50,
) -> Page[RunView]:
    state = one_of("state", being, RUN_WORDS)
    return await doors.runs.find(Wanted(workload, state, event, before, limit), caller)


@get("/runs/{run_id:str}", opt=READ)
async def run(doors: Doors, caller: Asker, run_id: Name) -> RunDetail:
    return await doors.runs.show(run_id, caller)


@get("/runs/{run_id:str}/log", opt=READ)
async def run_log(doors: Doors, caller: Asker, run_id: Name, after: Seq = -1) -> LogView:
    return await doors.runs.log(run_id, caller, after)


@post("/runs/{run_id:str}/cancel", status_code=200, opt=DEPLOY)
async def cancel(doors: Doors, caller: Asker, run_id: Name) -> RunDetail:
    return await doors.runs.cancel(run_id, caller)


@post("/runs/{run_id:str}/retry", status_code=200, opt=DEPLOY)
async def retry(doors: Doors, caller: Asker, run_id: Name) -> RunDetail:
    return await doors.runs.retry(run_id, caller)


ROUTES = (runs, run, run_log, cancel, retry)
