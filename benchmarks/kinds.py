"""Workloads that cost nothing, so that only our own work is measured."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import ClassVar

from tinyforge.kinds import DeployContext, WorkloadKind
from tinyforge.plugins import Plugins


@dataclass(frozen=True, kw_only=True)
class Noop(WorkloadKind):
    idempotent: ClassVar[bool] = True

    async def deploy(self, context: DeployContext) -> None:  # noqa: ARG002 - the contract's
        return


@dataclass(frozen=True, kw_only=True)
class Nap(WorkloadKind):
    """Works for a while without any CPU."""

    seconds: str

    async def deploy(self, context: DeployContext) -> None:  # noqa: ARG002 - the contract's
        await asyncio.sleep(float(self.seconds))


def plugins() -> Plugins:
    """Return what is installed, and these kinds as `noop` and `nap`."""
    group = "tinyforge.workloads"
    return Plugins.discover(
        also=[
            EntryPoint("noop", "benchmarks.kinds:Noop", group),
            EntryPoint("nap", "benchmarks.kinds:Nap", group),
        ]
    )
