"""Runs, newest first: their logs, and how to stop one or do it again."""

from __future__ import annotations

from litestar import get, post
from litestar.response import Stream

from tinyforge.operations.runs import RUN_WORDS, Wanted
from tinyforge.operations.views import LogView, Page, RunDetail, RunView
from tinyforge.web.reading import moment_of, number_of, one_of
from tinyforge.web.routes.parameters import (
    DEPLOY,
    READ,
    Asker,
    Before,
    Count,
    Doors,
    LastEventId,
    OfEvent,
    OfTrigger,
    OfWorkload,
    RunBeing,
    RunId,
    Seq,
    Since,
    Until,
)
from tinyforge.web.streams import STREAMS, log_stream


@get("/runs", opt=READ)
async def runs(  # noqa: PLR0913 - one for each filter
    doors: Doors,
    caller: Asker,
    *,
    workload: OfWorkload = None,
    trigger: OfTrigger = None,
    being: RunBeing = None,
    event: OfEvent = None,
    since: Since = None,
    until: Until = None,
    before: Before = None,
    limit: Count = 50,
) -> Page[RunView]:
    """List runs, newest first."""
    wanted = Wanted(
        workload=workload,
        trigger=trigger,
        state=one_of("state", being, RUN_WORDS),
        event=event,
        since=moment_of("since", since),
        until=moment_of("until", until),
        before=before,
        limit=limit,
    )
    return await doors.runs.find(wanted, caller)


@get("/runs/{run_id:str}", opt=READ)
async def run(doors: Doors, caller: Asker, run_id: RunId) -> RunDetail:
    """Return one run with its attempts."""
    return await doors.runs.show(run_id, caller)


@get("/runs/{run_id:str}/log", opt=READ)
async def run_log(doors: Doors, caller: Asker, run_id: RunId, after: Seq = -1) -> LogView:
    """Return the next part of a run's log, at most 1 MiB of it."""
    return await doors.runs.log(run_id, caller, after)


@get("/runs/{run_id:str}/log/stream", opt={**READ, **STREAMS})
async def run_log_stream(
    doors: Doors, caller: Asker, run_id: RunId, last_id: LastEventId = None
) -> Stream:
    """Send a run's log as server-sent events while it grows: `chunk`, `reset`, and `end`."""
    last = number_of("Last-Event-ID", last_id)
    return log_stream(await doors.watching.tail.open(caller, run_id, last))


@post("/runs/{run_id:str}/cancel", status_code=200, opt=DEPLOY)
async def cancel(doors: Doors, caller: Asker, run_id: RunId) -> RunDetail:
    """Cancel a run that is queued or running."""
    return await doors.runs.cancel(run_id, caller)


@post("/runs/{run_id:str}/retry", status_code=200, opt=DEPLOY)
async def retry(doors: Doors, caller: Asker, run_id: RunId) -> RunDetail:
    """Queue a run that ended without success once more, under the same id."""
    return await doors.runs.retry(run_id, caller)


ROUTES = (runs, run, run_log, run_log_stream, cancel, retry)
