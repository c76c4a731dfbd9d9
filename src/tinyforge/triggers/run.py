"""Trigger kind `run`: a run of a named workload ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from tinyforge.kinds import EndedRun, FollowsRuns, Matcher
from tinyforge.model import Json

Ending: TypeAlias = Literal["succeeded", "failed", "cancelled", "interrupted"]

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
FACTS = ("workload", "state", "run", "trigger")


@dataclass(frozen=True, kw_only=True)
class RunEnded(FollowsRuns):
    """Its facts: `workload`, `state`, `run` and `trigger` of the run that ended."""

    workloads: Annotated[tuple[str, ...], Meta(description="names of the workloads to follow")]
    on: Annotated[tuple[Ending, ...], Meta(description="the ends that count")] = ("failed",)

    def __post_init__(self) -> None:
        if not self.workloads:
            raise ValueError("workloads: name at least one workload")
        if not self.on:
            raise ValueError("on: name at least one end, such as failed")
        strange = [name for name in self.workloads if not NAME.fullmatch(name)]
        if strange:
            raise ValueError(f"workloads: {strange[0]!r} cannot be the name of a workload")

    def follows(self, ended: EndedRun) -> bool:
        return ended.workload in self.workloads and ended.state in self.on

    def matcher(self, rule: Json) -> Matcher:
        unknown = [key for key in rule if key not in FACTS]
        if unknown:
            raise ValueError(f"{unknown[0]}: no such fact; a run has {', '.join(FACTS)}")
        return super().matcher(rule)
