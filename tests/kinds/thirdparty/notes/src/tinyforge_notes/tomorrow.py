from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tinyforge.kinds import DeployContext, WorkloadKind


@dataclass(frozen=True, kw_only=True)
class Tomorrow(WorkloadKind):
    api: ClassVar[int] = 99

    async def deploy(self, context: DeployContext) -> None:
        raise NotImplementedError
