"""Kinds of somebody else, good and bad, found by entry points as any other."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

from tinyforge.errors import DeployFailed
from tinyforge.kinds import (
    MATCHED,
    DeployContext,
    EndedRun,
    FollowsRuns,
    Match,
    Matcher,
    TriggerKind,
    WorkloadKind,
)
from tinyforge.model import Event, Json

ENDED_BY_MATCH = 41
ENDED_BY_DEPLOY = 42
GATES: dict[str, asyncio.Event] = {}


def gate(name: str) -> asyncio.Event:
    """Return what a `held` deploy of this name waits for."""
    return GATES.setdefault(name, asyncio.Event())


@dataclass(frozen=True, kw_only=True)
class Quick(WorkloadKind):
    """Does nothing, and may do it again."""

    idempotent: ClassVar[bool] = True

    async def deploy(self, context: DeployContext) -> None:
        return


@dataclass(frozen=True, kw_only=True)
class Noted(WorkloadKind):
    """Appends its run to a file, which the database knows nothing of."""

    file: str

    async def deploy(self, context: DeployContext) -> None:
        with Path(self.file).open("a", encoding="utf-8") as book:
            book.write(f"{context.run} {context.trigger}\n")


@dataclass(frozen=True, kw_only=True)
class Held(WorkloadKind):
    """Is under way until its gate opens."""

    gate: str

    async def deploy(self, context: DeployContext) -> None:
        await gate(self.gate).wait()


@dataclass(frozen=True, kw_only=True)
class Bad(WorkloadKind):
    """Fails, each time in the way it is told."""

    how: str

    async def deploy(self, context: DeployContext) -> None:
        match self.how:
            case "fail":
                raise DeployFailed("no luck")
            case "raise":
                raise RuntimeError("a bug in somebody's kind")
            case "leave":
                raise SystemExit(3)
            case "end":
                os._exit(ENDED_BY_DEPLOY)
            case "block":
                time.sleep(60)


@dataclass(frozen=True, kw_only=True)
class PlainBad(WorkloadKind):
    """The same from a plain `def`, in a thread."""

    how: str

    def deploy(self, context: DeployContext) -> None:
        if self.how == "leave":
            raise SystemExit(3)
        raise RuntimeError("a bug in somebody's kind")

    @classmethod
    def reap(cls, runs: frozenset[str]) -> None:
        raise RuntimeError("a bug in somebody's kind")


@dataclass(frozen=True, kw_only=True)
class Touchy(TriggerKind):
    """Its rules say what their match does."""

    def matcher(self, rule: Json) -> Matcher:
        how = rule.get("how")
        if how == "refuse":
            raise ValueError("how: refused")

        def match(event: Event) -> Match:
            if how == "raise":
                raise RuntimeError("a bug in somebody's match")
            if how == "leave":
                raise SystemExit(3)
            if how == "end":
                os._exit(ENDED_BY_MATCH)
            if how == "block":
                time.sleep(60)
            return MATCHED if how == "yes" else Match(deploy=False, reason="it said no")

        return match


@dataclass(frozen=True, kw_only=True)
class Confused(FollowsRuns):
    """Raises when it is asked whether the end of a run is its own."""

    def follows(self, ended: EndedRun) -> bool:
        raise RuntimeError("a bug in somebody's kind")


KINDS: Mapping[str, Mapping[str, type]] = {
    "tinyforge.workloads": {
        "quick": Quick,
        "noted": Noted,
        "held": Held,
        "bad": Bad,
        "plain-bad": PlainBad,
    },
    "tinyforge.triggers": {"touchy": Touchy, "confused": Confused},
}


def entry_points() -> list[EntryPoint]:
    return [
        EntryPoint(name, f"{cls.__module__}:{cls.__qualname__}", group)
        for group, kinds in KINDS.items()
        for name, cls in kinds.items()
    ]
