"""Config as code: what a manifest would change, changing it, and writing one from what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import msgspec
from msgspec import Struct

from tinyforge.clock import Clock, Moment, rfc3339
from tinyforge.errors import InvalidManifest, Refused, StoreUnavailable
from tinyforge.manifest import document
from tinyforge.manifest.entries import Document
from tinyforge.manifest.export import export
from tinyforge.manifest.literals import Literal, Sealing, disused, take_out, weak
from tinyforge.manifest.plan import Plan, Terms, compare
from tinyforge.manifest.side import Difference
from tinyforge.model import Trigger, TriggerId
from tinyforge.observe.events import ManifestApplied, ManifestRefused, Observe
from tinyforge.operations.answers import ChangeView, ExportView, FieldView, PlanView, WouldFire
from tinyforge.operations.audit import Auditor, digests
from tinyforge.operations.callers import ITSELF, Caller, Permission
from tinyforge.operations.commands import command
from tinyforge.operations.fires import Firing
from tinyforge.operations.patience import persist
from tinyforge.operations.roles import Plans, Reads, Ticks, Vaults
from tinyforge.operations.views import FireView, ManifestRequest
from tinyforge.plugins import Plugins
from tinyforge.plugins.masks import Masks
from tinyforge.references import Allowance
from tinyforge.schedule.decision import Notice
from tinyforge.store.endpoints import EndpointDraft
from tinyforge.store.port import (
    AuditEntry,
    Catalog,
    ConfigChange,
    EndpointWrite,
    Secrecy,
    TimingWrite,
    What,
    endpoint_context,
)

REFUSED_FACT = "manifest_refused"
FIRED_TOGETHER = 100


class Store(Reads, Protocol):
    async def set_fact(self, name: str, value: str | None) -> None: ...


class Refusal(Struct, frozen=True, kw_only=True):
    """What the server keeps in mind of its own manifest with mistakes."""

    source: str
    at: Moment
    mistakes: Sequence[str]


class RowChange(Struct, frozen=True, kw_only=True):
    """A change of one row: *check* raises where it may not be made; *remove*: the row goes."""

    action: str  # for the audit, with what it was done to
    target: str
    check: Callable[[Catalog], None]
    remove: tuple[What, str] | None = None


class Prepared(Struct, frozen=True, kw_only=True):
    """A plan with what it makes of schedules, decided at *now*."""

    plan: Plan
    timings: Sequence[TimingWrite]
    view: PlanView
    literals: Sequence[Literal]  # secrets to be sealed
    catalog: Catalog  # that it was made from
    to_fire: Sequence[Trigger]  # asked for with `fire`
    digests: tuple[str, str]  # of all fields that change, as they were and as they will be
    now: Moment


@dataclass(frozen=True)
class Manifests:
    store: Store
    plugins: Plugins
    vault: Vaults
    allowance: Allowance  # of manifests that come from afar
    plans: Plans
    ticks: Ticks
    firing: Firing
    clock: Clock
    observe: Observe
    auditor: Auditor

    async def plan(self, request: ManifestRequest, caller: Caller) -> PlanView:
        """Say what *request* would change, and what would fire at once. InvalidManifest."""
        caller.must_see_all("a plan")
        return (await self._prepare(await self.read(request, caller), request)).view

    async def apply(self, request: ManifestRequest, caller: Caller) -> PlanView:
        """Change all of it in one transaction, or nothing. The second time changes nothing."""
        try:
            read = await self.read(request, caller)
            return await persist(partial(self._apply, read, request, caller))
        except InvalidManifest as refused:
            self.observe(ManifestRefused(source=request.source, mistakes=refused.mistakes))
            raise

    async def apply_own(self, request: ManifestRequest) -> PlanView:
        """Apply the manifest that the server was started with, whose mistakes `doctor` tells."""
        try:
            view = await self.apply(request, ITSELF)
        except InvalidManifest as refused:
            await self._keep_in_mind(request.source, refused)
            raise
        await self.store.set_fact(REFUSED_FACT, None)
        return view

    async def refuse_own(self, source: str, refused: InvalidManifest) -> None:
        """Tell that the server's own manifest cannot even be read, as mistakes in it are told."""
        self.observe(ManifestRefused(source=source, mistakes=refused.mistakes))
        await self._keep_in_mind(source, refused)

    async def _keep_in_mind(self, source: str, refused: InvalidManifest) -> None:
        refusal = Refusal(source=source, at=self.clock.now(), mistakes=refused.mistakes)
        with suppress(StoreUnavailable):  # the mistakes are logged all the same
            await self.store.set_fact(REFUSED_FACT, msgspec.json.encode(refusal).decode())

    async def export(
        self, caller: Caller, name: str | None = None, *, endpoints: bool = False
    ) -> ExportView:
        """Return a manifest of all rows, or of those that the manifest *name* owns.

        *endpoints*: also those that are secrets; Forbidden where the caller is no admin.
        """
        caller.must_see_all("an export")
        if endpoints:
            caller.must_allow(Permission.CONFIGURE)
        catalog = _masked(await self.store.catalog(), Masks(self.plugins))
        owner = f"manifest:{name}" if name else None
        opened = partial(self._opened, catalog) if endpoints else dict[TriggerId, str]
        text = await asyncio.to_thread(lambda: export(catalog, owner, opened()))
        return ExportView(text=text)

    def _opened(self, catalog: Catalog) -> dict[TriggerId, str]:
        """Return the endpoints that are secrets and kept sealed."""
        keyring = self.vault.keyring
        return {
            row.trigger_id: keyring.open(row.sealed, endpoint_context(row.trigger_id)).decode()
            for row in catalog.endpoints
            if row.sealed is not None
        }

    async def read(self, request: ManifestRequest, caller: Caller) -> Document:
        """Read in a thread: a large manifest takes longer than a schedule may wait."""
        allowance = None if caller.is_local else self.allowance
        return await asyncio.to_thread(
            document.read, request.text, request.source, self.plugins, allowance=allowance
        )

    async def _prepare(
        self, read: Document, request: ManifestRequest, row: RowChange | None = None
    ) -> Prepared:
        catalog = await self.store.catalog()
        await self.vault.refresh()
        _refuse_outdated(request, catalog)
        if row is not None:
            row.check(catalog)
        now = self.clock.now()
        terms = Terms(
            plugins=self.plugins,
            new_id=lambda: self.store.new_id(now),
            prune=request.prune,
            adopt=request.adopt,
            remove=row.remove if row is not None else None,
        )
        sealing = Sealing(plugins=self.plugins, opens=self.vault.value, new_id=terms.new_id)

        def prepare() -> Prepared:
            taken = take_out(read, catalog, sealing)
            plan = compare(taken.document, catalog, terms)
            made = _prepared(plan, catalog, self.plans, request, now)
            warnings = [*made.view.warnings, *weak(taken.literals)]
            view = msgspec.structs.replace(made.view, warnings=warnings)
            return msgspec.structs.replace(made, view=view, literals=taken.literals)

        return await asyncio.to_thread(prepare)

    async def change_row(
        self, read: Document, request: ManifestRequest, row: RowChange, caller: Caller
    ) -> None:
        """Change one row as a manifest would; InvalidManifest."""
        await persist(partial(self._apply, read, request, caller, row))

    async def _apply(
        self, read: Document, request: ManifestRequest, caller: Caller, row: RowChange | None = None
    ) -> PlanView:
        ready = await self._prepare(read, request, row)
        plan = ready.plan
        if not plan.is_empty:
            change = ConfigChange(
                author=caller.actor,
                entry=self._entry(ready, request, caller, row),
                generation=plan.generation,
                triggers=plan.triggers,
                workloads=plan.workloads,
                bindings=plan.bindings,
                timings=ready.timings,
                secrecy=self._secrecy(ready),
                endpoints=self._endpoints(ready),
            )
            events = await self.store.change(change, ready.now)
            await self.ticks.deliver(events)
            self.ticks.wake()
        changes = len(plan.triggers) + len(plan.workloads) + len(plan.bindings)
        self.observe(ManifestApplied(source=request.source, changes=changes))
        fired = await self._fire(ready.to_fire, caller)
        if plan.is_empty and fired:
            names = ", ".join(one.trigger for one in fired)
            await self.auditor.note(caller, "apply_manifest", request.source, after=names)
        return msgspec.structs.replace(
            ready.view, applied=True, fired=fired, next_command="tinyforge preview"
        )

    def _secrecy(self, ready: Prepared) -> Secrecy:
        """Seal what was typed. Only where something is sealed a key is needed, and made."""
        plan = ready.plan
        rows = [self.vault.seal(one.place, one.plain.reveal(), ready.now) for one in ready.literals]
        return Secrecy(
            keys=self.vault.keys if rows or plan.seals else (),
            secrets=rows,
            disused=disused(ready.catalog, plan.triggers, plan.workloads),
        )

    def _endpoints(self, ready: Prepared) -> list[EndpointWrite]:
        keyring, now = self.vault.keyring, ready.now
        return [
            one.written(keyring, now) if isinstance(one, EndpointDraft) else one
            for one in ready.plan.endpoints
        ]

    def _entry(
        self,
        ready: Prepared,
        request: ManifestRequest,
        caller: Caller,
        row: RowChange | None,
    ) -> AuditEntry:
        """Tell what a change is by the digests of all its fields, as they were and will be."""
        before, after = ready.digests
        words = f"{after}, {len(ready.plan.differences)} changed"
        action = "apply_manifest" if row is None else row.action
        target = request.source if row is None else row.target
        return self.auditor.entry(caller, action, target, before, words)

    async def _fire(self, triggers: Sequence[Trigger], caller: Caller) -> list[FireView]:
        fired: list[FireView] = []
        for begin in range(0, len(triggers), FIRED_TOGETHER):
            together = triggers[begin : begin + FIRED_TOGETHER]
            fires = (self.firing.fire_for(trigger.name, None, caller) for trigger in together)
            fired.extend(await asyncio.gather(*fires))
        return fired


def _refuse_outdated(request: ManifestRequest, catalog: Catalog) -> None:
    if request.generation not in (None, catalog.generation):
        raise Refused(
            "the config has changed since this was planned; nothing is changed",
            "plan it again, and give the generation of that plan",
        )


def _masked(catalog: Catalog, masks: Masks) -> Catalog:
    return msgspec.structs.replace(
        catalog,
        triggers=list(map(masks.trigger, catalog.triggers)),
        workloads=list(map(masks.workload, catalog.workloads)),
    )


def _prepared(
    plan: Plan, catalog: Catalog, plans: Plans, request: ManifestRequest, now: Moment
) -> Prepared:
    timings = {timing.trigger_id: timing for timing in catalog.timings}
    writes: dict[str, TimingWrite] = {}
    for write in plan.triggers:
        after = None if write.deleted else write.row
        if found := plans.follow(after, timings.get(write.row.id), now):
            writes[write.row.name] = found
    to_fire = _asked_to_fire(plan) if request.fire else []
    view = PlanView(
        source=request.source,
        name=plan.owner.removeprefix("manifest:"),
        changes=[_change_view(difference) for difference in plan.differences],
        would_fire=[
            *(WouldFire(trigger=name, why=why) for name, why in _at_once(writes, now)),
            *(WouldFire(trigger=trigger.name, why="by hand, as asked") for trigger in to_fire),
        ],
        warnings=[*_warnings(writes), *_unbound(plan, catalog)],
        unchanged=plan.unchanged,
        generation=plan.generation,
        next_command=_after_plan(plan, request),
    )
    return Prepared(
        plan=plan,
        timings=list(writes.values()),
        view=view,
        literals=(),
        catalog=catalog,
        to_fire=to_fire,
        digests=digests(plan.differences),
        now=now,
    )


def _at_once(writes: dict[str, TimingWrite], now: Moment) -> Iterable[tuple[str, str]]:
    for name, write in writes.items():
        decision = write.decision
        if decision.fire is not None:
            yield name, f"the window of {rfc3339(decision.fire.window)} passed while it rested"
        elif decision.due_at is not None and decision.due_at <= now:
            yield name, "it begins with a window (`first: wait` would not)"


def _warnings(writes: dict[str, TimingWrite]) -> list[str]:
    return [
        f"trigger {name}: its moment has passed, so it will not fire; give a later `at`"
        for name, write in writes.items()
        if write.decision.notice is Notice.AT_HAS_PASSED
    ]


def _unbound(plan: Plan, catalog: Catalog) -> list[str]:
    """Warn of new triggers that deploy nothing."""
    bound = {binding.trigger_id for binding in catalog.bindings}
    bound |= {write.row.trigger_id for write in plan.bindings if not write.deleted}
    return [
        f"trigger {write.row.name}: no binding leads from it to a workload, so it deploys nothing"
        for write in plan.triggers
        if not write.deleted and write.row.id not in bound
    ]


def _asked_to_fire(plan: Plan) -> list[Trigger]:
    """Return the triggers that are new or edited, and enabled."""
    return [
        write.row
        for write in plan.triggers
        if write.text is not None and not write.deleted and write.row.enabled
    ]


def _change_view(difference: Difference) -> ChangeView:
    return ChangeView(
        what=difference.what,
        name=difference.name,
        action=difference.action.value,
        fields=[
            FieldView(name=change.field, before=change.before, after=change.after)
            for change in difference.changes
        ],
        notes=difference.notes,
    )


def _after_plan(plan: Plan, request: ManifestRequest) -> str:
    if plan.is_empty and not request.fire:
        return "tinyforge preview"
    flags = {"--prune": request.prune, "--adopt": request.adopt, "--fire": request.fire}
    return command("apply", request.source, *(flag for flag, given in flags.items() if given))
