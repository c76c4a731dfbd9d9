"""Runs: what was deployed, its log, and how to stop it or do it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args

from tinyforge.clock import Clock, Moment
from tinyforge.errors import Refused
from tinyforge.ids import show
from tinyforge.model import NEXT_STATES, EventId, Run, RunId, RunState
from tinyforge.operations.commands import command
from tinyforge.operations.naming import names_of_runs
from tinyforge.operations.placement import obstacles
from tinyforge.operations.refusals import id_of
from tinyforge.operations.rendering import after_run, attempt_view, chunk_view, run_view
from tinyforge.operations.roles import Queues, Works
from tinyforge.operations.views import LogView, Page, RunDetail, RunView
from tinyforge.store.port import RunFilter

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


@dataclass(frozen=True)
class Runs:
    store: Queue
    works: Works
    clock: Clock

    async def find(self, wanted: Wanted) -> Page[RunView]:
        """Return runs, newest first."""
        found = await self.store.runs(await self._filter(wanted))
        return Page(
            items=await self.views(found),
            next=show("run", found[-1].id) if len(found) == wanted.limit else None,
        )

    async def views(self, runs: list[Run]) -> list[RunView]:
        events = await self.store.events_by_id(sorted({run.event_id for run in runs}))
        names = await names_of_runs(self.store, runs, (e.trigger_id for e in events.values()))
        waiting = {run_id: one.why for run_id, one in (await obstacles(self.store, runs)).items()}
        return [run_view(run, events.get(run.event_id), names, waiting.get(run.id)) for run in runs]

    async def show(self, run_id: str) -> RunDetail:
        run = await self.store.run(_run_id(run_id))
        view = (await self.views([run]))[0]
        attempts = [attempt_view(one) for one in await self.store.attempts(run.id)]
        found = (await obstacles(self.store, [run])).get(run.id)
        next_command = after_run(run, view.workload) if found is None else found.fix
        return RunDetail(run=view, attempts=attempts, next_command=next_command)

    async def log(self, run_id: str, after: int = -1) -> LogView:
        """Return the next part of the log; over once the run has ended and nothing is left."""
        run = await self.store.run(_run_id(run_id))  # before its log, which may still grow
        chunks = await self.store.log(run.id, after)
        upto = chunks[-1].seq if chunks else after
        return LogView(
            chunks=[chunk_view(chunk) for chunk in chunks],
            next=upto,
            over=run.state.is_over and not await self.store.log(run.id, upto),
            state=run.state.word,
            next_command=_after_log(run),
        )

    async def cancel(self, run_id: str, actor: str) -> RunDetail:
        run = await self.store.run(_run_id(run_id))
        if run.state.is_over:
            raise Refused(f"{run_id} {_ended(run.state)}", command("run", "show", run_id))
        await self.works.cancel(run.id, actor)
        return await self.show(run_id)

    async def retry(self, run_id: str) -> RunDetail:
        """Queue a run that ended without success once more, under the same id."""
        run = await self.store.run(_run_id(run_id))
        if not _may_run_again(run.state):
            name = (await self.views([run]))[0].workload
            raise Refused(f"{run_id} {_ended(run.state)}", _instead_of_retry(run, name))
        await self.store.requeue(run.id, self.clock.now())
        self.works.wake()
        return await self.show(run_id)

    async def _filter(self, wanted: Wanted) -> RunFilter:
        workload = await self.store.workload_named(wanted.workload) if wanted.workload else None
        return RunFilter(
            workload_id=workload.id if workload else None,
            event_id=EventId(id_of("event", wanted.event)) if wanted.event else None,
            state=RunState[wanted.state.upper()] if wanted.state else None,
            before=_run_id(wanted.before) if wanted.before else None,
            limit=wanted.limit,
        )


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
