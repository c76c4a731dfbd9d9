"""Rows that another program put in or changed: planned, or shown as broken once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Protocol

from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.deliveries import Receives
from tinyforge.engine.fanout import FanOut
from tinyforge.engine.planning import Planner, read_moment
from tinyforge.engine.vault import Vault
from tinyforge.errors import Conflict, InvalidConfig, Refused, UnknownKind
from tinyforge.model import Binding, Trigger, TriggerId, Workload
from tinyforge.observe.events import Happening, Observe, RowBroken, RowRepaired, RowWarned
from tinyforge.schedule.decision import Notice
from tinyforge.store.definition import binding_form, text_of, trigger_form, workload_form
from tinyforge.store.endpoints import kept_or_new
from tinyforge.store.port import (
    BindingWrite,
    BrokenMark,
    Config,
    ConfigChange,
    Endpoints,
    EndpointWrite,
    Inspected,
    Replicas,
    Schedules,
    Secrecy,
    TimingWrite,
    TriggerWrite,
    Unplanned,
    What,
    WindowsRepeated,
    WorkloadWrite,
)

BATCH = 500
AUTHOR = "by hand"
ATTEMPTS = 5
LONGEST_PROBLEM = 1_000
BEFORE_ALL = TriggerId(-(2**63))
TAKEN_BACK = "its decisions were taken back by hand: it begins anew"
UNSEALED = "its URL is a secret, which cannot be sealed"
NOTICES = {
    Notice.AT_HAS_PASSED: "its `at` has passed: the window is skipped as late",
    Notice.LAST_FIRED_IN_FUTURE: "its last_fired_at lies in the future: taken as now",
}


class Plannable(Config, Endpoints, Schedules, Replicas, Protocol):
    """The roles that this room needs."""


@dataclass
class _Draft:
    """What becomes of some rows, in one transaction. *unsealable*: why nothing may be sealed."""

    unsealable: str = ""
    seals: bool = False
    triggers: list[TriggerWrite] = field(default_factory=list)
    workloads: list[WorkloadWrite] = field(default_factory=list)
    bindings: list[BindingWrite] = field(default_factory=list)
    timings: list[TimingWrite] = field(default_factory=list)
    endpoints: list[EndpointWrite] = field(default_factory=list)
    broken: list[BrokenMark] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    left: list[Unplanned] = field(default_factory=list)  # to servers that know their kind

    def mark(self, what: What, row_id: int, name: str, before: str | None, problem: str) -> None:
        """Break a row, and say so unless that is what stands there already."""
        problem = problem[:LONGEST_PROBLEM]
        self.broken.append(BrokenMark(what, row_id, problem))
        if problem != before:
            said = RowBroken(what=what, row_id=row_id, name=name, problem=problem)
            self.happenings.append(said)

    def mend(self, what: What, row_id: int, name: str, before: str | None) -> None:
        if before is not None:
            self.broken.append(BrokenMark(what, row_id, None))
            self.happenings.append(RowRepaired(what=what, row_id=row_id, name=name))


@dataclass
class HandChanges:
    store: Plannable
    planner: Planner
    fanout: FanOut
    observe: Observe
    vault: Vault

    async def plan(self, now: Moment) -> int:
        """Deal with every row changed by hand; return how many those were."""
        count = 0
        while found := await self.store.unplanned(BATCH):
            planned = await self._plan_batch(found, now)
            if not planned:
                break  # the next sweep goes on
            count += planned
        return count

    async def plan_again(self, trigger_ids: Sequence[TriggerId], now: Moment) -> None:
        """Plan triggers that are due and may not fire; whatever is found, they are due no more."""
        for start in range(0, len(trigger_ids), BATCH):
            part = trigger_ids[start : start + BATCH]
            found = [Unplanned("trigger", number, 0, 0) for number in part]
            await self._plan_batch(found, now)
            rows = await self.store.inspect("trigger", part)
            still = [row.timing for row in rows if row.timing is not None]
            rest = [Planner.rest(timing) for timing in still if (timing.due_at or now + 1) <= now]
            if rest:
                await self._store(ConfigChange(author=AUTHOR, timings=rest), now)

    async def begin_anew(self, trigger_ids: Sequence[TriggerId], now: Moment) -> None:
        """Begin a new epoch where a hand took decisions back, so that none is taken twice."""
        writes, warnings = [], []
        for row in await self.store.inspect("trigger", trigger_ids):
            if isinstance(row.row, Trigger) and row.timing is not None:
                writes.append(self.planner.begin_anew(row.row, row.timing, now))
                warnings.append(RowWarned(what="trigger", name=row.row.name, problem=TAKEN_BACK))
        change = ConfigChange(author=AUTHOR, timings=[one for one in writes if one is not None])
        await self._store(change, now)
        for warning in warnings:
            self.observe(warning)

    async def clock_set_back(self, now: Moment) -> int:
        """Plan again what was decided for a future that has not come; return how many rows."""
        count, after = 0, BEFORE_ALL
        while timings := await self.store.decided_after(now, after, BATCH):
            after = timings[-1].trigger_id
            found = (self.planner.clock_set_back(timing, now) for timing in timings)
            writes = [write for write in found if write is not None]
            count += len(writes)
            if writes:
                await self._store(ConfigChange(author="clock", timings=writes), now)
        return count

    async def _store(self, change: ConfigChange, now: Moment) -> None:
        """Store a change, and fan out what it fires."""
        await self.fanout.accept(await self.store.change(change, now))

    async def _plan_batch(self, found: Sequence[Unplanned], now: Moment) -> int:
        """Return how many rows are dealt with: not those of kinds that only others know."""
        unsealable = ""
        for _ in range(ATTEMPTS):
            draft = await self._draft(found, now, unsealable)
            planned = [one for one in found if one not in draft.left]
            if not planned:
                return 0
            try:
                events = await self.store.change(self._change(draft, planned), now)
            except WindowsRepeated as repeated:
                await self.begin_anew(repeated.triggers, now)
                continue
            except Conflict:
                continue
            except Refused as refused:  # the database is sealed with a key that we do not have
                unsealable = str(refused)
                continue
            for happening in draft.happenings:
                self.observe(happening)
            await self.fanout.accept(events)
            return len(planned)
        return 0

    def _change(self, draft: _Draft, planned: Sequence[Unplanned]) -> ConfigChange:
        return ConfigChange(
            author=AUTHOR,
            triggers=draft.triggers,
            workloads=draft.workloads,
            bindings=draft.bindings,
            endpoints=draft.endpoints,
            secrecy=Secrecy(keys=self.vault.keys) if draft.seals else Secrecy(),
            timings=draft.timings,
            broken=draft.broken,
            planned=planned,
        )

    async def _draft(self, found: Sequence[Unplanned], now: Moment, unsealable: str = "") -> _Draft:
        draft = _Draft(unsealable=unsealable)
        for what in ("workload", "trigger", "binding"):
            mine = [one for one in found if one.what == what]
            rows = await self.store.inspect(what, [one.row_id for one in mine]) if mine else []
            for one, row in zip(mine, rows, strict=True):
                if self._is_for_others(row):
                    draft.left.append(one)
                else:
                    await self._plan_row(one, row, now, draft)
        return draft

    def _is_for_others(self, found: Inspected) -> bool:
        elsewhere = self.store.elsewhere
        match found.row:
            case Trigger(kind=kind):
                return kind in elsewhere.trigger_kinds
            case Workload(kind=kind):
                return kind in elsewhere.workload_kinds
            case _:
                return False

    async def _plan_row(self, one: Unplanned, found: Inspected, now: Moment, draft: _Draft) -> None:
        match found.row:
            case Trigger() as trigger:
                await self._plan_trigger(one, trigger, found, now, draft)
            case Workload() as workload:
                await self._plan_workload(workload, found, draft)
            case Binding() as binding:
                await self._plan_binding(binding, found, draft)
            case None if found.timing is not None:
                self._end(found, now, draft)
            case None:
                return

    def _end(self, found: Inspected, now: Moment, draft: _Draft) -> None:
        """Close what a row that is gone leaves of its schedule."""
        write = self.planner.follow(None, found.timing, now)
        if write is not None:
            draft.timings.append(write)

    async def _plan_trigger(
        self, one: Unplanned, trigger: Trigger, found: Inspected, now: Moment, draft: _Draft
    ) -> None:
        problem = "; ".join(found.problems) or self._problem_of_trigger(trigger)
        if not problem and not found.deleted:
            problem = await self._plan_endpoint(trigger, now, draft)
        if problem:
            draft.mark("trigger", trigger.id, trigger.name, trigger.broken, problem)
        if problem or found.deleted:
            self._end(found, now, draft)
            return
        draft.mend("trigger", trigger.id, trigger.name, trigger.broken)
        sound = replace(trigger, broken=None)
        text = text_of(trigger_form(sound))
        if text != await self._text_in_force("trigger", trigger.id):
            draft.triggers.append(TriggerWrite(row=sound, text=text))
        self._plan_timing(one, sound, found, now, draft)

    async def _plan_endpoint(self, trigger: Trigger, now: Moment, draft: _Draft) -> str:
        """Give a trigger that takes deliveries where to take them; return why it can have none."""
        if not self.planner.plugins.receives(trigger.kind):
            return ""
        kind = self.planner.plugins.trigger(trigger.kind, trigger.config)
        unsigned = isinstance(kind, Receives) and kind.is_unsigned
        found = (await self.store.endpoints_of([trigger.id])).get(trigger.id)
        made = kept_or_new(found, trigger.id, unsigned=unsigned, new_path=token_urlsafe)
        if made is None:
            return ""
        if made.secret is not None and draft.unsealable:
            return f"{UNSEALED}: {draft.unsealable}"
        try:
            draft.endpoints.append(made.written(self.vault.keyring, now))
        except Refused as refused:
            return f"{UNSEALED}: {refused}"
        draft.seals |= made.secret is not None
        return ""

    def _plan_timing(
        self, one: Unplanned, trigger: Trigger, found: Inspected, now: Moment, draft: _Draft
    ) -> None:
        timing = found.timing
        if one.last_fired_changed and timing is not None and timing.state is not None:
            write = self.planner.follow_last_fired(trigger, timing, now)
            self._warn_unreadable(trigger, timing.last_fired_by_hand, draft)
        else:
            write = self.planner.follow(trigger, timing, now)
            if timing is not None and timing.state is None:
                self._warn_unreadable(trigger, timing.last_fired_by_hand, draft)
        if write is None:
            return
        draft.timings.append(write)
        if write.decision.notice is not None:
            self._warn(trigger, NOTICES[write.decision.notice], draft)

    def _warn_unreadable(self, trigger: Trigger, value: object, draft: _Draft) -> None:
        if value is not None and read_moment(value) is None:
            shown = repr(value)[:60]
            self._warn(
                trigger, f"last_fired_at {shown} cannot be read: taken as never fired", draft
            )

    def _warn(self, trigger: Trigger, problem: str, draft: _Draft) -> None:
        draft.happenings.append(RowWarned(what="trigger", name=trigger.name, problem=problem))

    async def _plan_workload(self, workload: Workload, found: Inspected, draft: _Draft) -> None:
        problem = "; ".join(found.problems) or self._problem_of_workload(workload)
        if problem:
            draft.mark("workload", workload.id, workload.name, workload.broken, problem)
            return
        draft.mend("workload", workload.id, workload.name, workload.broken)
        sound = replace(workload, broken=None)
        text = text_of(workload_form(sound))
        if not found.deleted and text != await self._text_in_force("workload", workload.id):
            draft.workloads.append(WorkloadWrite(row=sound, text=text))

    async def _plan_binding(self, binding: Binding, found: Inspected, draft: _Draft) -> None:
        (trigger,) = await self.store.inspect("trigger", [binding.trigger_id])
        (workload,) = await self.store.inspect("workload", [binding.workload_id])
        problem = "; ".join(found.problems) or self._problem_of_binding(binding, trigger, workload)
        if problem and not found.deleted:
            draft.mark("binding", binding.id, binding.name, binding.broken, problem)
            return
        draft.mend("binding", binding.id, binding.name, binding.broken)
        sound = replace(binding, broken=None)
        triggers: dict[int, str] = {binding.trigger_id: _name(trigger)}
        workloads: dict[int, str] = {binding.workload_id: _name(workload)}
        text = text_of(binding_form(sound, triggers, workloads))
        if not found.deleted and text != await self._text_in_force("binding", binding.id):
            draft.bindings.append(BindingWrite(row=sound, text=text))

    async def _text_in_force(self, what: What, row_id: int) -> str | None:
        revisions = await self.store.revisions(what, row_id)
        return revisions[-1].text if revisions and revisions[-1].until is None else None

    def _problem_of_trigger(self, trigger: Trigger) -> str:
        try:
            self.planner.spec_of(trigger)
        except (InvalidConfig, UnknownKind) as problem:
            return str(problem)
        return ""

    def _problem_of_workload(self, workload: Workload) -> str:
        try:
            self.planner.plugins.workload(workload.kind, workload.config)
        except (InvalidConfig, UnknownKind) as problem:
            return str(problem)
        return ""

    def _problem_of_binding(self, binding: Binding, trigger: Inspected, workload: Inspected) -> str:
        if not isinstance(trigger.row, Trigger) or trigger.deleted:
            return f"trigger_id: no trigger has the id {binding.trigger_id}"
        if not isinstance(workload.row, Workload) or workload.deleted:
            return f"workload_id: no workload has the id {binding.workload_id}"
        if not binding.rule or trigger.problems:
            return ""
        try:
            kind = self.planner.plugins.trigger(trigger.row.kind, trigger.row.config)
            kind.matcher(binding.rule)
        except (InvalidConfig, UnknownKind):
            return ""  # the trigger's own problem, said there
        except Exception as problem:  # noqa: BLE001 - plugin code; whatever it raises, the rule is refused
            return f"rule: {problem}"
        return ""


def _name(found: Inspected) -> str:
    return found.row.name if found.row is not None else ""
