"""Triggers that follow runs of workloads which do not exist: no mistake, and never an event."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tinyforge.errors import TinyforgeError
from tinyforge.kinds import EndedRun, FollowsRuns
from tinyforge.manifest.entries import Document
from tinyforge.plugins import Plugins

ENDINGS = ("succeeded", "failed", "cancelled", "interrupted")


def unheard(document: Document, workloads: Collection[str], plugins: Plugins) -> Iterator[str]:
    """Yield a warning for each trigger of *document* that follows none of the *workloads*."""
    others: set[str] = set()  # kinds that follow no runs at all
    for name, entry in document.triggers.items():
        if entry.kind in others:
            continue
        try:
            kind = plugins.trigger(entry.kind, entry.config)
        except TinyforgeError:
            continue  # which the document says itself
        if not isinstance(kind, FollowsRuns):
            others.add(entry.kind)
        elif not any(_follows(kind, workload) for workload in workloads):
            yield f"triggers.{name}: it follows no workload that is here; it never fires"


def _follows(kind: FollowsRuns, workload: str) -> bool:
    try:
        return any(
            kind.follows(EndedRun(workload=workload, state=state, run="")) for state in ENDINGS
        )
    except Exception:  # noqa: BLE001 - plugin code; a plan must not fail for it
        return True
