"""A document against the database -> the difference, and what has to be written.

Pure: nothing is read, written or looked up but what is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from secrets import token_urlsafe

from msgspec import Struct
from msgspec.structs import replace

from tinyforge.manifest.endpoints import Follow, Follower, refuse_shared
from tinyforge.manifest.ends import Around, check_ends
from tinyforge.manifest.entries import Document
from tinyforge.manifest.follows import unheard
from tinyforge.manifest.mistakes import Mistakes
from tinyforge.manifest.pruning import Deletions, deletions, removal
from tinyforge.manifest.side import Action, Difference, R, Row, Side, Step, writes
from tinyforge.model import (
    Binding,
    BindingId,
    Json,
    RevisionId,
    Trigger,
    TriggerId,
    Workload,
    WorkloadId,
)
from tinyforge.plugins import Plugins
from tinyforge.plugins.masks import Masks
from tinyforge.store.definition import binding_form, trigger_form, workload_form
from tinyforge.store.endpoints import EndpointDraft, NewPath
from tinyforge.store.port import (
    BindingWrite,
    Catalog,
    EndpointWrite,
    TriggerWrite,
    What,
    WorkloadWrite,
)

REACHED = (Action.CREATE, Action.UPDATE, Action.ADOPT)


class Terms(Struct, frozen=True, kw_only=True):
    """*prune*: own rows that are no longer in the file go. *adopt*: others' rows become own.

    *remove*: the one row that goes, whoever owns it.
    """

    plugins: Plugins
    new_id: Callable[[], int]
    new_path: NewPath = token_urlsafe
    prune: bool = False
    adopt: bool = False
    remove: tuple[What, str] | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What a ConfigChange needs, and what a person wants to see before."""

    owner: str
    generation: int  # of the catalog it was made from
    differences: Sequence[Difference]
    warnings: Sequence[str]
    unchanged: int  # rows of the document that are as they shall be
    triggers: Sequence[TriggerWrite]
    workloads: Sequence[WorkloadWrite]
    bindings: Sequence[BindingWrite]
    endpoints: Sequence[EndpointDraft | EndpointWrite] = ()

    @property
    def seals(self) -> bool:
        """Whether the id of an endpoint is a secret, and to be sealed."""
        return any(isinstance(one, EndpointDraft) and one.secret for one in self.endpoints)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.triggers or self.workloads or self.bindings or self.endpoints)


def compare(document: Document, catalog: Catalog, terms: Terms) -> Plan:
    """Return what has to change so that *catalog* says what *document* says.

    InvalidManifest with every mistake of the document, and those that only the catalog shows.
    """
    mistakes = document.mistakes.copy()
    gone = _gone(document, catalog, terms, mistakes)
    around = _around(catalog, gone)
    check_ends(document, around, terms.plugins, mistakes)
    if not terms.adopt:
        _refuse_others(document, catalog, mistakes)
    refuse_shared(document.triggers, catalog, gone.triggers, mistakes)
    if len(mistakes):
        raise mistakes.error()
    workloads = {*around.workloads, *document.workloads}
    warnings = tuple(unheard(document, workloads, terms.plugins))
    return _Comparison(document, catalog, terms).plan(gone, warnings)


def _gone(document: Document, catalog: Catalog, terms: Terms, mistakes: Mistakes) -> Deletions:
    if terms.remove is not None:
        return removal(*terms.remove, catalog)
    return deletions(document, catalog, mistakes) if terms.prune else Deletions()


def _around(catalog: Catalog, gone: Deletions) -> Around:
    triggers = (row for row in catalog.triggers if row.name not in gone.triggers)
    workloads = (row.name for row in catalog.workloads if row.name not in gone.workloads)
    return Around(
        triggers={row.name: (row.kind, row.config) for row in triggers},
        workloads=frozenset(workloads),
        pruned=frozenset(
            [("triggers", name) for name in gone.triggers]
            + [("workloads", name) for name in gone.workloads]
        ),
    )


def _refuse_others(document: Document, catalog: Catalog, mistakes: Mistakes) -> None:
    """Add a mistake for each row of the document that belongs to somebody else."""
    for section, entries, rows in (
        ("workloads", document.workloads, catalog.workloads),
        ("triggers", document.triggers, catalog.triggers),
        ("bindings", document.bindings, catalog.bindings),
    ):
        for row in rows:
            entry = entries.get(row.name)
            if entry is not None and row.managed_by != document.owner:
                what = f"belongs to {row.managed_by}; take it over with --adopt, or rename this one"
                mistakes.add(entry.line, f"{section}.{row.name}", what)


class _Comparison:
    def __init__(self, document: Document, catalog: Catalog, terms: Terms) -> None:
        self._document = document
        self._catalog = catalog
        self._terms = terms

    def plan(self, gone: Deletions, warnings: Sequence[str]) -> Plan:
        workloads, triggers = self._workloads(), self._triggers()
        bindings = self._bindings(triggers, workloads)
        workload_steps = list(workloads.steps(gone.workloads))
        endpoints = self._endpoints(triggers)
        trigger_steps = _with_endpoints(triggers, list(triggers.steps(gone.triggers)), endpoints)
        binding_steps = list(bindings.steps(gone.bindings))
        steps = (workload_steps, trigger_steps, binding_steps)
        differences = [step.difference for side in steps for step in side]
        sides = (workloads.wanted, triggers.wanted, bindings.wanted)
        return Plan(
            owner=self._document.owner,
            generation=self._catalog.generation,
            differences=differences,
            warnings=warnings,
            unchanged=sum(map(len, sides)) - sum(one.action in REACHED for one in differences),
            workloads=writes(workload_steps, WorkloadWrite),
            triggers=writes(trigger_steps, TriggerWrite),
            bindings=writes(binding_steps, BindingWrite),
            endpoints=[one for each in endpoints.values() for one in each.writes],
        )

    def _workloads(self) -> Side[Workload]:
        found = {row.name: row for row in self._catalog.workloads}
        wanted = {
            name: Workload(
                id=WorkloadId(self._id_of(found.get(name))),
                name=name,
                kind=entry.kind,
                config=entry.config,
                queue=entry.queue,
                timeout=entry.timeout,
                retry=entry.retry,
                idempotent=entry.idempotent,
                on=entry.on,
                managed_by=self._document.owner,
                revision_id=_revision_of(found.get(name)),
            )
            for name, entry in self._document.workloads.items()
        }
        return self._side("workload", wanted, found, workload_form)

    def _triggers(self) -> Side[Trigger]:
        found = {row.name: row for row in self._catalog.triggers}
        wanted = {
            name: Trigger(
                id=TriggerId(self._id_of(found.get(name))),
                name=name,
                kind=entry.kind,
                config=entry.config,
                enabled=entry.enabled,
                managed_by=self._document.owner,
                revision_id=_revision_of(found.get(name)),
            )
            for name, entry in self._document.triggers.items()
        }
        return self._side("trigger", wanted, found, trigger_form)

    def _endpoints(self, triggers: Side[Trigger]) -> Mapping[str, Follow]:
        """Return what becomes of endpoints, by the names of triggers for which anything does."""
        terms, catalog = self._terms, self._catalog
        follower = Follower(terms.plugins, terms.new_path, catalog.endpoints)
        follows = {
            name: follower.follow(entry, triggers.wanted[name], triggers.found.get(name))
            for name, entry in self._document.triggers.items()
        }
        return {name: one for name, one in follows.items() if one.writes}

    def _bindings(self, triggers: Side[Trigger], workloads: Side[Workload]) -> Side[Binding]:
        found = {row.name: row for row in self._catalog.bindings}
        trigger_ids = triggers.ids()
        workload_ids = workloads.ids()
        wanted = {
            name: Binding(
                id=BindingId(self._id_of(found.get(name))),
                name=name,
                trigger_id=TriggerId(trigger_ids[entry.trigger]),
                workload_id=WorkloadId(workload_ids[entry.workload]),
                rule=entry.rule,
                enabled=entry.enabled,
                managed_by=self._document.owner,
                revision_id=_revision_of(found.get(name)),
            )
            for name, entry in self._document.bindings.items()
        }
        names = {number: name for name, number in trigger_ids.items()}
        targets = {number: name for name, number in workload_ids.items()}
        form = partial(binding_form, triggers=names, workloads=targets)
        return self._side("binding", wanted, found, form)

    def _side(
        self, what: What, wanted: Mapping[str, R], found: Mapping[str, R], form: Callable[[R], Json]
    ) -> Side[R]:
        masks = Masks(self._terms.plugins)
        return Side(
            what=what,
            owner=self._document.owner,
            wanted=wanted,
            found=found,
            form=form,
            shown=partial(masks.form, what),
        )

    def _id_of(self, found: Row | None) -> int:
        return self._terms.new_id() if found is None else found.id


def _revision_of(found: Row | None) -> RevisionId | None:
    return None if found is None else found.revision_id


def _with_endpoints(
    triggers: Side[Trigger], steps: Sequence[Step[Trigger]], endpoints: Mapping[str, Follow]
) -> list[Step[Trigger]]:
    """Say of each trigger what becomes of its endpoint too.

    Where nothing else changes the trigger gets a new revision all the same: its version moves.
    """
    seen = {step.difference.name for step in steps}
    more = [
        Step(
            _with_endpoint(Difference(what="trigger", name=name, action=Action.UPDATE), one),
            triggers.again(name),
        )
        for name, one in endpoints.items()
        if name not in seen and one.is_seen
    ]
    told = [
        Step(_with_endpoint(step.difference, endpoints[step.difference.name]), step.write)
        if step.difference.name in endpoints
        else step
        for step in steps
    ]
    return [*told, *more]


def _with_endpoint(difference: Difference, follow: Follow) -> Difference:
    return replace(
        difference,
        changes=(*difference.changes, *follow.changes),
        notes=(*difference.notes, *follow.notes),
    )
