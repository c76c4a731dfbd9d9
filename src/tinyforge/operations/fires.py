"""Firing a trigger by hand, and deploying a workload: one path, the same as time takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import msgspec

from tinyforge.clock import Clock
from tinyforge.errors import NotFound, Refused
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
from tinyforge.operations.commands import command
from tinyforge.operations.events import Events
from tinyforge.operations.patience import persist
from tinyforge.operations.roles import Fires, Reads
from tinyforge.operations.views import FireView, ResultView
from tinyforge.store.definition import binding_form, text_of, trigger_form
from tinyforge.store.port import BindingWrite, Catalog, ConfigChange, TriggerWrite

MOST_FACTS = 256 * 1024  # bytes of JSON
LONGEST_NAME = 63
DIGEST = 8
MANUAL = "manual"


@dataclass(frozen=True)
class Firing:
    reads: Reads
    fires: Fires
    events: Events
    clock: Clock
    observe: Observe

    async def fire(
        self, name: str, facts: Json | None, actor: str, *, dry_run: bool = False
    ) -> FireView:
        """Fire a trigger of any kind. Without facts, no binding's rule is applied."""
        _refuse_large(name, facts)
        trigger, _ = await self.reads.trigger_named(name)
        draft = EventDraft(
            trigger_id=trigger.id, facts=facts or {}, actor=actor, ruleless=facts is None
        )
        return await (self._rehearse(trigger, draft) if dry_run else self._fire(trigger, draft))

    async def deploy(self, name: str, actor: str, *, dry_run: bool = False) -> FireView:
        """Fire the manual trigger that belongs to this workload; the first time makes it."""
        workload = await self.reads.workload_named(name)
        trigger = deploy_trigger(name)
        if dry_run and not await self._is_bound(trigger, workload):
            return _foretold(trigger, workload)
        await persist(partial(self._bind, trigger, workload, actor))
        return await self.fire(trigger, None, actor, dry_run=dry_run)

    async def _fire(self, trigger: Trigger, draft: EventDraft) -> FireView:
        receipt = await self.fires.fire(draft)
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

    async def _rehearse(self, trigger: Trigger, draft: EventDraft) -> FireView:
        results = await self.events.rehearsed(trigger, await self.fires.rehearse(draft))
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

    async def _bind(self, trigger: str, workload: Workload, actor: str) -> None:
        if await self._is_bound(trigger, workload):
            return
        now = self.clock.now()
        catalog = await self.reads.catalog()
        found = next((one for one in catalog.triggers if one.name == trigger), None)
        made = found or Trigger(
            id=TriggerId(self.reads.new_id(now)), name=trigger, kind=MANUAL, config={}
        )
        await self.reads.change(
            ConfigChange(
                author=actor,
                generation=catalog.generation,
                triggers=[]
                if found
                else [TriggerWrite(row=made, text=text_of(trigger_form(made)))],
                bindings=[self._binding(made, workload, catalog)],
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
