"""Firing a trigger by hand, and deploying a workload: one path, the same as time takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import msgspec
from msgspec import Struct

from tinyforge.clock import Clock
from tinyforge.errors import Conflict, NotFound, Refused, Reused
from tinyforge.ids import show
from tinyforge.model import (
    Binding,
    BindingId,
    EventDraft,
    Json,
    Outcome,
    Trigger,
    TriggerId,
    Workload,
)
from tinyforge.observe.events import FiredByHand, Observe
from tinyforge.operations.audit import Auditor
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.events import Events
from tinyforge.operations.patience import persist
from tinyforge.operations.roles import Fires, Reads
from tinyforge.operations.views import FireView, ResultView
from tinyforge.store.definition import binding_form, text_of, trigger_form
from tinyforge.store.port import AuditEntry, BindingWrite, Catalog, ConfigChange, TriggerWrite

MOST_FACTS = 256 * 1024  # bytes of JSON
LONGEST_NAME = 63
DIGEST = 8
MANUAL = "manual"


class Order(Struct, frozen=True, kw_only=True):
    """How to fire. *key*: what makes a second order the same one. *entry*: of the audit."""

    facts: Json | None = None
    dry_run: bool = False
    key: str | None = None
    entry: AuditEntry | None = None


@dataclass(frozen=True)
class Firing:
    reads: Reads
    fires: Fires
    events: Events
    clock: Clock
    observe: Observe
    auditor: Auditor

    async def fire(
        self,
        name: str,
        facts: Json | None,
        caller: Caller,
        *,
        dry_run: bool = False,
        key: str | None = None,
    ) -> FireView:
        """Fire a trigger of any kind. Without facts, no binding's rule is applied.

        A second fire of the same actor with the same *key* answers with the first one's event;
        Reused where it has other facts.
        """
        caller.must_see_trigger(name)
        entry = self.auditor.entry(caller, "fire_trigger", name)
        order = Order(facts=facts, dry_run=dry_run, key=key, entry=entry)
        return await self._ordered(name, order, caller)

    async def fire_for(self, name: str, facts: Json | None, caller: Caller) -> FireView:
        """Fire as a part of something else, whose entry in the audit tells of it."""
        return await self._ordered(name, Order(facts=facts), caller)

    async def _ordered(self, name: str, order: Order, caller: Caller) -> FireView:
        _refuse_large(name, order.facts)
        trigger, _ = await self.reads.trigger_named(name)
        draft = EventDraft(
            trigger_id=trigger.id,
            key=None if order.key is None else f"fire:{caller.actor}:{order.key}",
            facts=order.facts or {},
            actor=caller.actor,
            ruleless=order.facts is None,
        )
        if order.dry_run:
            return await self._rehearse(trigger, draft)
        return await self._fire(trigger, draft, order.entry)

    async def deploy(
        self, name: str, caller: Caller, *, dry_run: bool = False, key: str | None = None
    ) -> FireView:
        """Fire the manual trigger that belongs to this workload; the first time makes it."""
        caller.must_see_workload(name)
        workload = await self.reads.workload_named(name)
        trigger = deploy_trigger(name)
        if dry_run and not await self._is_bound(trigger, workload):
            return _foretold(trigger, workload)
        await persist(partial(self._bind, trigger, workload, caller))
        entry = self.auditor.entry(caller, "deploy_workload", name)
        order = Order(dry_run=dry_run, key=key, entry=entry)
        return await self._ordered(trigger, order, caller)

    async def _fire(
        self, trigger: Trigger, draft: EventDraft, entry: AuditEntry | None
    ) -> FireView:
        receipt = await self.fires.fire(draft, entry)
        if receipt.event is None and draft.key is not None:
            return await self._repeated(trigger, draft, draft.key)
        if receipt.event is None:
            raise Refused(f"{trigger.name} did not fire: {receipt.reason}", "tinyforge event list")
        self.observe(
            FiredByHand(
                trigger=trigger.name,
                kind=trigger.kind,
                event_id=receipt.event.id,
                actor=draft.actor or "",
            )
        )
        results = await self.events.results(receipt.event, receipt.results)
        return FireView(
            trigger=trigger.name,
            event=show("evt", receipt.event.id),
            results=results,
            rules_applied=not draft.ruleless,
            next_command=_after_fire(trigger.name, results),
        )

    async def _repeated(self, trigger: Trigger, draft: EventDraft, key: str) -> FireView:
        """Answer with the event of an earlier call."""
        event = await self.reads.event_keyed(trigger.id, key)
        if event is None:
            raise Conflict(f"an event of {trigger.name} went away while it was asked for")
        if text_of(event.facts) != text_of(draft.facts) or event.ruleless != draft.ruleless:
            raise Reused(
                f"this Idempotency-Key made {show('evt', event.id)}, from another body",
                "send a new key with a new body",
            )
        results = (await self.reads.results([event.id])).get(event.id, [])
        shown = await self.events.results(event, results)
        return FireView(
            trigger=trigger.name,
            event=show("evt", event.id),
            results=shown,
            rules_applied=not event.ruleless,
            repeated=True,
            next_command=_after_fire(trigger.name, shown),
        )

    async def _rehearse(self, trigger: Trigger, draft: EventDraft) -> FireView:
        results = await self.events.rehearsed(trigger.id, await self.fires.rehearse(draft))
        return FireView(
            trigger=trigger.name,
            event=None,
            results=results,
            rules_applied=not draft.ruleless,
            dry_run=True,
            next_command=_after_fire(trigger.name, results),
        )

    async def _is_bound(self, trigger: str, workload: Workload) -> bool:
        try:
            found, _ = await self.reads.trigger_named(trigger)
        except NotFound:
            return False
        _refuse_other_kind(found, workload)
        bindings = await self.reads.bindings_of(found.id)
        return any(binding.workload_id == workload.id for binding in bindings)

    async def _bind(self, trigger: str, workload: Workload, caller: Caller) -> None:
        if await self._is_bound(trigger, workload):
            return
        now = self.clock.now()
        catalog = await self.reads.catalog()
        found = next((one for one in catalog.triggers if one.name == trigger), None)
        made = found or Trigger(
            id=TriggerId(self.reads.new_id(now)), name=trigger, kind=MANUAL, config={}
        )
        binding = self._binding(made, workload, catalog)
        by = f"binding {binding.row.name} of {'' if found else 'a new '}trigger {trigger}"
        await self.reads.change(
            ConfigChange(
                author=caller.actor,
                entry=self.auditor.entry(caller, "bind_workload", workload.name, after=by),
                generation=catalog.generation,
                triggers=[]
                if found
                else [TriggerWrite(row=made, text=text_of(trigger_form(made)))],
                bindings=[binding],
            ),
            now,
        )

    def _binding(self, trigger: Trigger, workload: Workload, catalog: Catalog) -> BindingWrite:
        taken = {binding.name for binding in catalog.bindings}
        name = _short_name(f"{trigger.name}.{workload.name}")
        row = Binding(
            id=BindingId(self.reads.new_id(self.clock.now())),
            name=name if name not in taken else _short_name(f"{name}.{trigger.id}"),
            trigger_id=trigger.id,
            workload_id=workload.id,
        )
        form = binding_form(row, {trigger.id: trigger.name}, {workload.id: workload.name})
        return BindingWrite(row=row, text=text_of(form))


def deploy_trigger(workload: str) -> str:
    """Return the name of the manual trigger that deploys this workload."""
    return _short_name(f"deploy.{workload}")


def _short_name(name: str) -> str:
    """Return *name*, cut with a digest of it where it is longer than a name may be."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = blake2b(name.encode(), digest_size=DIGEST // 2).hexdigest()
    return f"{name[: LONGEST_NAME - DIGEST - 1]}.{digest}"


def _refuse_large(name: str, facts: Json | None) -> None:
    size = len(msgspec.json.encode(facts))
    if size > MOST_FACTS:
        problem = f"the facts are {size} bytes of JSON, and {MOST_FACTS} are taken"
        raise Refused(problem, command("trigger", "fire", name, "--fact", "branch=main"))


def _refuse_other_kind(trigger: Trigger, workload: Workload) -> None:
    if trigger.kind != MANUAL:
        raise Refused(
            f"{trigger.name} is a trigger of kind {trigger.kind}, and deploys need that name",
            f"{command('trigger', 'fire', trigger.name)}, or rename it and deploy"
            f" {workload.name} again",
        )


def _foretold(trigger: str, workload: Workload) -> FireView:
    """Say what the first deploy would do, whose trigger does not exist yet."""
    result = ResultView(
        binding=_short_name(f"{trigger}.{workload.name}"),
        workload=workload.name,
        outcome=Outcome.MATCHED.value,
        reason="the first deploy by hand makes its trigger and binding",
    )
    return FireView(
        trigger=trigger,
        event=None,
        results=[result],
        rules_applied=False,
        dry_run=True,
        next_command=command("deploy", workload.name),
    )


def _after_fire(trigger: str, results: Sequence[ResultView]) -> str:
    suggested = [result.next_command for result in results if result.next_command]
    return suggested[0] if suggested else command("trigger", "show", trigger)
