"""Records as people see them: ids as text, moments in RFC 3339. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tinyforge.clock import Moment, rfc3339
from tinyforge.ids import show
from tinyforge.model import (
    Attempt,
    Binding,
    Event,
    Json,
    Outcome,
    Result,
    Revision,
    RevisionId,
    Run,
    RunState,
    Trigger,
    Workload,
    WorkloadId,
)
from tinyforge.operations.commands import command
from tinyforge.operations.naming import Names
from tinyforge.operations.views import (
    AttemptView,
    BindingView,
    ChunkView,
    EventView,
    ResultView,
    RevisionView,
    RunView,
    SpanView,
    TimingView,
    TriggerState,
    TriggerView,
    WorkloadView,
)
from tinyforge.schedule.decision import Reason, Skipped
from tinyforge.schedule.spec import load_spec
from tinyforge.store.port import EndpointRow, LogChunk, SpanRow, Timing

SKIPPED_BECAUSE: Mapping[str, str] = {
    Reason.LATE: "too late to fire, as its catch_up and max_late or `restore --skip-missed` say",
    Reason.PAUSED: "it was paused or disabled",
    Reason.SUPERSEDED: "its schedule was edited before they were decided",
}


SCHEDULE = "schedule"  # the kind that has windows


def at_text(at: Moment | None) -> str | None:
    return None if at is None else rfc3339(at)


def says(kind: str, config: Json) -> str:
    """Return a schedule in a few words; nothing for other kinds."""
    if kind != SCHEDULE:
        return ""
    words = [_when(config)]
    words += [f"{key} {config[key]}" for key in ("anchor", "spread") if config.get(key)]
    return ", ".join(filter(None, words))


def _when(config: Json) -> str:
    zone = config.get("timezone") or "UTC"
    if cron := config.get("cron"):
        return f"{cron} {zone}"
    if interval := config.get("interval"):
        return f"every {interval}"
    at = config.get("at")
    return f"once at {at}" if at else ""


def state_of(trigger: Trigger, timing: Timing | None) -> TriggerState:
    if trigger.broken is not None:
        return "broken"
    if not trigger.enabled:
        return "disabled"
    state = timing.state if timing else None
    return "paused" if state and state.paused_at is not None else "active"


def trigger_view(
    trigger: Trigger,
    timing: Timing | None = None,
    workloads: Sequence[str] = (),
    endpoint: EndpointRow | None = None,
) -> TriggerView:
    state = timing.state if timing else None
    return TriggerView(
        id=show("trg", trigger.id),
        name=trigger.name,
        kind=trigger.kind,
        state=(now_is := state_of(trigger, timing)),
        says=says(trigger.kind, trigger.config),
        config=trigger.config,
        enabled=trigger.enabled,
        managed_by=trigger.managed_by,
        workloads=workloads,
        due_at=at_text(timing.due_at) if timing else None,
        last_fired_at=at_text(state.last_fired_at) if state else None,
        paused_at=at_text(state.paused_at) if state else None,
        unsigned=endpoint is not None and endpoint.unsigned,
        problem=trigger.broken,
        revision=_revision(trigger.revision_id),
        next_command=_after_trigger(trigger.name, now_is, receives=endpoint is not None),
    )


def _after_trigger(name: str, state: TriggerState, *, receives: bool) -> str:
    match state:
        case "active":
            return command("trigger", "url", name) if receives else command("preview", name)
        case "paused":
            return command("trigger", "resume", name)
        case "disabled":
            return command("explain", name)
        case "broken":
            return "tinyforge doctor"
        case _ as never:
            assert_never(never)


def timing_view(timing: Timing, config: Json) -> TimingView | None:
    """Return nothing where no sweep has planned the row yet."""
    state = timing.state
    if state is None:
        return None
    spec = load_spec(timing.spec) if timing.spec else None
    return TimingView(
        epoch=state.epoch,
        since=rfc3339(state.since),
        base=rfc3339(state.base),
        decided_until=rfc3339(state.decided_until),
        opening=at_text(state.opening),
        last_fired_at=at_text(state.last_fired_at),
        due_at=at_text(timing.due_at),
        paused_at=at_text(state.paused_at),
        disabled_at=at_text(state.disabled_at),
        phase_us=spec.timetable.phase if spec else 0,
        timezone=zone_of(config).key,
    )


def zone_of(config: Json) -> ZoneInfo:
    """Return the zone in which people think of this schedule."""
    try:
        return ZoneInfo(str(config.get("timezone") or "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def workload_view(workload: Workload) -> WorkloadView:
    return WorkloadView(
        id=show("wld", workload.id),
        name=workload.name,
        kind=workload.kind,
        config=workload.config,
        queue=workload.queue.value,
        timeout_us=workload.timeout,
        attempts=workload.retry.attempts,
        backoff_us=workload.retry.backoff,
        idempotent=workload.idempotent,
        on=workload.on,
        managed_by=workload.managed_by,
        problem=workload.broken,
        revision=_revision(workload.revision_id),
        next_command="tinyforge doctor" if workload.broken else command("deploy", workload.name),
    )


def binding_view(binding: Binding, trigger: str, workload: str) -> BindingView:
    return BindingView(
        id=show("bnd", binding.id),
        name=binding.name,
        trigger=trigger,
        workload=workload,
        match={key: value for key, value in binding.rule.items() if key != "when"},
        when=str(binding.rule["when"]) if "when" in binding.rule else None,
        enabled=binding.enabled,
        managed_by=binding.managed_by,
        problem=binding.broken,
        revision=_revision(binding.revision_id),
    )


def _revision(revision_id: RevisionId | None) -> str | None:
    return show("rev", revision_id) if revision_id else None


def revision_view(revision: Revision) -> RevisionView:
    return RevisionView(
        id=show("rev", revision.id),
        since=rfc3339(revision.since),
        until=at_text(revision.until),
        author=revision.author,
        text=revision.text,
        zone_data=revision.zone_data,
    )


def event_view(event: Event, trigger: str) -> EventView:
    return EventView(
        id=show("evt", event.id),
        trigger=trigger,
        accepted_at=rfc3339(event.accepted_at),
        window=at_text(event.window),
        late_by_us=event.late_by,
        folded=event.folded,
        folded_from=at_text(event.folded_from),
        epoch=event.epoch,
        facts=event.facts,
        actor=event.actor,
        rules_applied=not event.ruleless,
        fanned_at=at_text(event.fanned_at),
        revision=show("rev", event.revision_id) if event.revision_id else None,
    )


def result_view(
    result: Result, trigger: str, names: Names, workload_id: WorkloadId | None, run: Run | None
) -> ResultView:
    workload = names.workload(workload_id) if workload_id else ""
    return ResultView(
        binding=names.binding(result.binding_id),
        workload=workload,
        outcome=result.outcome.value,
        reason=result.reason if result.reason != result.outcome else "",
        run=show("run", result.run_id) if result.run_id else None,
        run_state=run.state.word if run else None,
        next_command=_after_result(result, trigger, workload, run),
    )


def _after_result(result: Result, trigger: str, workload: str, run: Run | None) -> str:
    match result.outcome:
        case Outcome.MATCHED:
            return after_run(run, workload) if run else ""
        case Outcome.NOT_MATCHED | Outcome.MATCH_FAILED | Outcome.DISABLED:
            return command("trigger", "show", trigger)
        case Outcome.SKIPPED_BUSY | Outcome.SKIPPED_FULL:
            return command("run", "list", "--workload", workload)
        case Outcome.QUARANTINED:
            return command("trigger", "fire", trigger)
        case Outcome.UNKNOWN_KIND:
            return "tinyforge doctor"
        case _ as never:
            assert_never(never)


def after_run(run: Run, workload: str) -> str:
    """Return what a person wants to type who sees this run."""
    shown = show("run", run.id)
    match run.state:
        case RunState.QUEUED | RunState.RUNNING:
            return command("run", "logs", "--follow", shown)
        case RunState.SUCCEEDED | RunState.FAILED:
            return command("run", "logs", shown)
        case RunState.CANCELLED | RunState.INTERRUPTED:
            return command("run", "retry", shown)
        case RunState.SUPERSEDED:
            return command("run", "list", "--workload", workload)
        case _ as never:
            assert_never(never)


def run_view(run: Run, event: Event | None, names: Names, waiting: str | None = None) -> RunView:
    took = run.ended_at - run.started_at if run.ended_at and run.started_at else None
    return RunView(
        id=show("run", run.id),
        event=show("evt", run.event_id),
        trigger=names.trigger(event.trigger_id) if event else "",
        binding=names.binding(run.binding_id),
        workload=names.workload(run.workload_id),
        state=run.state.word,
        queued_at=rfc3339(run.queued_at),
        ready_at=rfc3339(run.ready_at),
        started_at=at_text(run.started_at),
        ended_at=at_text(run.ended_at),
        took_us=took,
        attempt=run.attempt,
        superseded_by=show("run", run.superseded_by) if run.superseded_by else None,
        error=run.error,
        waiting=waiting,
    )


def attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        started_at=rfc3339(attempt.started_at),
        ended_at=rfc3339(attempt.ended_at),
        outcome=attempt.outcome,
        took_us=max(0, attempt.ended_at - attempt.started_at),
        error=attempt.error,
    )


def chunk_view(chunk: LogChunk) -> ChunkView:
    return ChunkView(seq=chunk.seq, at=rfc3339(chunk.at), lines=chunk.lines)


def span_view(row: SpanRow) -> SpanView:
    return SpanView(
        oldest=rfc3339(row.oldest),
        newest=rfc3339(row.newest),
        count=row.count,
        reason=row.reason,
        words=SKIPPED_BECAUSE.get(row.reason, row.reason),
        epoch=row.epoch,
        decided_at=rfc3339(row.decided_at),
    )


def skipped_view(skipped: Skipped, epoch: int, now: Moment) -> SpanView:
    return SpanView(
        oldest=rfc3339(skipped.span.oldest),
        newest=rfc3339(skipped.span.newest),
        count=skipped.span.count,
        reason=skipped.reason.value,
        words=SKIPPED_BECAUSE[skipped.reason],
        epoch=epoch,
        decided_at=rfc3339(now),
    )
