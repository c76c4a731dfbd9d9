"""Why a queued run does not begin: no server that lives may take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tinyforge.labels import carries
from tinyforge.model import Run, RunId, RunState, Workload
from tinyforge.operations.commands import command
from tinyforge.operations.roles import Queues
from tinyforge.store.port import Replica


class Obstacle(NamedTuple):
    why: str
    fix: str  # what to type


def obstacle(workload: Workload, replicas: Sequence[Replica]) -> Obstacle | None:
    """Say why none of *replicas* may deploy a workload; None: one may, or none is known."""
    kind, on = workload.kind, workload.on
    if not replicas or workload.broken or any(one.may_deploy(kind, on) for one in replicas):
        return None
    asked = " and ".join(on)
    if not any(one.abilities and carries(one.abilities.labels, on) for one in replicas):
        labels = (word for label in on for word in ("--label", label))
        return Obstacle(f"no server that lives carries {asked}", command("serve", *labels))
    who = f"that carries {asked}" if on else "that lives"
    return Obstacle(f"no server {who} knows the workload kind {kind!r}", "tinyforge doctor")


async def obstacles(reads: Queues, runs: Sequence[Run]) -> Mapping[RunId, Obstacle]:
    """Return what stands before those of *runs* that nobody may take."""
    queued = [run for run in runs if run.state is RunState.QUEUED]
    if not queued:
        return {}
    replicas = await reads.replicas()
    workloads = await reads.workloads_by_id(sorted({run.workload_id for run in queued}))
    found = {number: obstacle(one, replicas) for number, one in workloads.items()}
    return {run.id: one for run in queued if (one := found.get(run.workload_id)) is not None}
