"""Runs: what was deployed, its log, and how to stop it or do it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args

from tinyforge.clock import Clock, Moment
from tinyforge.errors import NotFound, Refused
from tinyforge.ids import lowest, show
from tinyforge.model import NEXT_STATES, EventId, Run, RunId, RunState
from tinyforge.operations.audit import Auditor
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.naming import names_of_runs
from tinyforge.operations.placement import obstacles
from tinyforge.operations.refusals import id_of
from tinyforge.operations.rendering import after_run, attempt_view, chunk_view, run_view
from tinyforge.operations.roles import Queues, Works
from tinyforge.operations.views import LogView, Page, RunDetail, RunView
from tinyforge.store.port import Among, RunFilter

RunWord: TypeAlias = Literal[
    "queued", "running", "succeeded", "failed", "cancelled", "superseded", "interrupted"
]
RUN_WORDS: tuple[RunWord, ...] = get_args(RunWord)


class Queue(Queues, Protocol):
    async def requeue(self, run_id: RunId, now: Moment) -> Run: ...


@dataclass(frozen=True)
class Wanted:
    """Which runs; None: any."""

    workload: str | None = None
    state: RunWord | None = None
    event: str | None = None
    before: str | None = None
    limit: int = 50
    trigger: str | None = None
    since: Moment | None = None  # queued then or later
    until: Moment | None = None  # queued before


@dataclass(frozen=True)
class Runs:
    store: Queue
    works: Works
    clock: Clock
    auditor: Auditor

    async def find(self, wanted: Wanted, caller: Caller) -> Page[RunView]:
        """Return runs that the caller sees, newest first."""
        found = await self.store.runs(await self._filter(wanted, caller))
        return Page(
            items=await self.views(found),
            next=show("run", found[-1].id) if len(found) == wanted.limit else None,
        )

    async def views(self, runs: list[Run]) -> list[RunView]:
        events = await self.store.events_by_id(sorted({run.event_id for run in runs}))
        names = await names_of_runs(self.store, runs, (e.trigger_id for e in events.values()))
        waiting = {run_id: one.why for run_id, one in (await obstacles(self.store, runs)).items()}
        return [run_view(run, events.get(run.event_id), names, waiting.get(run.id)) for run in runs]

    async def show(self, run_id: str, caller: Caller) -> RunDetail:
        run, view = await self._seen(run_id, caller)
        attempts = [attempt_view(one) for one in await self.store.attempts(run.id)]
        found = (await obstacles(self.store, [run])).get(run.id)
        next_command = after_run(run, view.workload) if found is None else found.fix
        return RunDetail(run=view, attempts=attempts, next_command=next_command)

    async def log(self, run_id: str, caller: Caller, after: int = -1) -> LogView:
        """Return the next part of the log; over once the run has ended and nothing is left."""
        run, _ = await self._seen(run_id, caller)  # before its log, which may still grow
        chunks = await self.store.log(run.id, after)
        upto = chunks[-1].seq if chunks else after
        return LogView(
            chunks=[chunk_view(chunk) for chunk in chunks],
            next=upto,
            over=run.state.is_over and not await self.store.log(run.id, upto),
            state=run.state.word,
            next_command=_after_log(run),
        )

    async def cancel(self, run_id: str, caller: Caller) -> RunDetail:
        run, view = await self._seen(run_id, caller)
        if run.state.is_over:
            raise Refused(f"{run_id} {_ended(run.state)}", command("run", "show", run_id))
        await self.works.cancel(run.id, caller.actor)
        await self.auditor.note(caller, "cancel_run", run_id, view.state, "cancelled")
        return await self.show(run_id, caller)

    async def retry(self, run_id: str, caller: Caller) -> RunDetail:
        """Queue a run that ended without success once more, under the same id."""
        run, view = await self._seen(run_id, caller)
        if not _may_run_again(run.state):
            raise Refused(f"{run_id} {_ended(run.state)}", _instead_of_retry(run, view.workload))
        await self.store.requeue(run.id, self.clock.now())
        self.works.wake()
        await self.auditor.note(caller, "retry_run", run_id, view.state, "queued")
        return await self.show(run_id, caller)

    async def _seen(self, run_id: str, caller: Caller) -> tuple[Run, RunView]:
        run = await self.store.run(_run_id(run_id))
        (view,) = await self.views([run])
        if not caller.sees_pair(view.trigger, view.workload):
            raise NotFound("run", run_id)
        return run, view

    async def _filter(self, wanted: Wanted, caller: Caller) -> RunFilter:
        if wanted.workload:
            caller.must_see_workload(wanted.workload)
        workload = await self.store.workload_named(wanted.workload) if wanted.workload else None
        if wanted.trigger:
            caller.must_see_trigger(wanted.trigger)
        trigger, _ = (
            await self.store.trigger_named(wanted.trigger) if wanted.trigger else (None, None)
        )
        return RunFilter(
            trigger_id=trigger.id if trigger else None,
            workload_id=workload.id if workload else None,
            event_id=EventId(id_of("event", wanted.event)) if wanted.event else None,
            state=RunState[wanted.state.upper()] if wanted.state else None,
            since=None if wanted.since is None else RunId(lowest(wanted.since)),
            before=_below(wanted),
            limit=wanted.limit,
            among=_among(caller),
        )


def _among(caller: Caller) -> Among | None:
    if not caller.is_narrowed:
        return None
    return Among(caller.triggers or frozenset(), caller.workloads or frozenset())


def _below(wanted: Wanted) -> RunId | None:
    """Return the lowest of what must not be reached; ids go with time."""
    bounds = [_run_id(wanted.before)] if wanted.before else []
    bounds += [] if wanted.until is None else [RunId(lowest(wanted.until))]
    return min(bounds, default=None)


def _run_id(text: str) -> RunId:
    return RunId(id_of("run", text))


def _may_run_again(state: RunState) -> bool:
    return state.is_over and RunState.QUEUED in NEXT_STATES[state]


def _ended(state: RunState) -> str:
    return f"has ended: {state.word}" if state.is_over else f"has not ended: {state.word}"


def _instead_of_retry(run: Run, workload: str) -> str:
    if run.state.is_over:
        return command("deploy", workload)
    return command("run", "logs", "--follow", show("run", run.id))


def _after_log(run: Run) -> str:
    shown = show("run", run.id)
    if _may_run_again(run.state):
        return command("run", "retry", shown)
    return command("run", "show", shown)
