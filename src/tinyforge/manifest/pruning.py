"""Which rows go with --prune, and which may not because somebody else still needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from msgspec import Struct

from tinyforge.manifest.entries import Document
from tinyforge.manifest.mistakes import Mistakes, quoted_name
from tinyforge.model import Binding, Trigger, Workload, WorkloadId
from tinyforge.store.port import Catalog, What

ASKED = "removed"
VANISHED = "no longer in the file"
BY_DEPLOY = "made by `tinyforge deploy` for a workload that goes"
DEPLOY_PREFIX = "deploy."


class Deletions(Struct, frozen=True, kw_only=True):
    """Names of rows that go, each with why."""

    workloads: Mapping[str, str] = {}
    triggers: Mapping[str, str] = {}
    bindings: Mapping[str, str] = {}


def deletions(document: Document, catalog: Catalog, mistakes: Mistakes) -> Deletions:
    """Return the manifest's own rows that it no longer has, and what was made for them."""
    workloads = _vanished("workloads", catalog.workloads, document.workloads, document)
    triggers = _vanished("triggers", catalog.triggers, document.triggers, document)
    bindings = _vanished("bindings", catalog.bindings, document.bindings, document)
    gone = {row.id for row in catalog.workloads if row.name in workloads}
    made, made_bindings = _made_by_deploy(catalog, gone)
    found = Deletions(
        workloads=dict.fromkeys(workloads, VANISHED),
        triggers=dict.fromkeys(triggers, VANISHED) | dict.fromkeys(made, BY_DEPLOY),
        bindings=dict.fromkeys(bindings, VANISHED) | dict.fromkeys(made_bindings, BY_DEPLOY),
    )
    _refuse_where_needed(document, catalog, found, mistakes)
    return found


def removal(what: What, name: str, catalog: Catalog) -> Deletions:
    """Return one row to remove, and what was made to deploy it."""
    if what == "trigger":
        return Deletions(triggers={name: ASKED})
    if what == "binding":
        return Deletions(bindings={name: ASKED})
    gone = {row.id for row in catalog.workloads if row.name == name}
    made, made_bindings = _made_by_deploy(catalog, gone)
    return Deletions(
        workloads={name: ASKED},
        triggers=dict.fromkeys(made, BY_DEPLOY),
        bindings=dict.fromkeys(made_bindings, BY_DEPLOY),
    )


def users_of(what: What, name: str, catalog: Catalog) -> list[Binding]:
    """Return the bindings that keep a row from being removed."""
    gone = removal(what, name, catalog)
    triggers = {row.id for row in catalog.triggers if row.name in gone.triggers}
    workloads = {row.id for row in catalog.workloads if row.name in gone.workloads}
    return [
        row
        for row in catalog.bindings
        if row.name not in gone.bindings
        and (row.trigger_id in triggers or row.workload_id in workloads)
    ]


def is_made_by_deploy(row: Trigger) -> bool:
    """Say whether this is the trigger that `tinyforge deploy` makes for a workload."""
    return row.managed_by == "api" and row.name.startswith(DEPLOY_PREFIX)


def _vanished(
    section: str,
    rows: Iterable[Workload | Trigger | Binding],
    written: Mapping[str, object],
    document: Document,
) -> list[str]:
    return [
        row.name
        for row in rows
        if row.managed_by == document.owner
        and row.name not in written
        and (section, row.name) not in document.misread
    ]


def _made_by_deploy(catalog: Catalog, gone: AbstractSet[WorkloadId]) -> tuple[set[str], set[str]]:
    """Return triggers and bindings that exist only to deploy workloads that go."""
    triggers = {row.id: row.name for row in catalog.triggers if is_made_by_deploy(row)}
    mine = [row for row in catalog.bindings if row.trigger_id in triggers]
    needed = {row.trigger_id for row in mine if row.workload_id not in gone}
    goes = [row for row in mine if row.trigger_id not in needed and row.managed_by == "api"]
    return {triggers[row.trigger_id] for row in goes}, {row.name for row in goes}


def _refuse_where_needed(
    document: Document, catalog: Catalog, gone: Deletions, mistakes: Mistakes
) -> None:
    triggers = {row.id: row.name for row in catalog.triggers if row.name in gone.triggers}
    workloads = {row.id: row.name for row in catalog.workloads if row.name in gone.workloads}
    for row in catalog.bindings:
        if row.name in gone.bindings or row.name in document.bindings:
            continue
        for section, name in (
            ("triggers", triggers.get(row.trigger_id)),
            ("workloads", workloads.get(row.workload_id)),
        ):
            if name is not None:
                user = f"the binding {quoted_name(row.name)} of {row.managed_by} uses it"
                fix = "keep it in the file, or remove that binding first"
                mistakes.add(None, f"{section}.{name}", f"cannot be pruned, {user}; {fix}")
