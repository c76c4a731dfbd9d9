"""The manifest that a server was started with: applied before the first sweep, and on SIGHUP."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from tinyforge.errors import InvalidManifest
from tinyforge.manifest.mistakes import Mistakes
from tinyforge.manifest.text import decode
from tinyforge.operations.door import Operations
from tinyforge.operations.manifests import Manifests
from tinyforge.operations.views import ManifestRequest


@dataclass(frozen=True)
class ConfigFile:
    path: Path
    strict: bool

    async def apply(self, operations: Operations) -> None:
        """Apply the file. One with mistakes leaves what was applied last in force.

        InvalidManifest where nothing was ever applied, or with `--strict`.
        """
        try:
            await self._apply(operations.manifests)
        except InvalidManifest:
            if self.strict or not await self._was_applied(operations):
                raise

    async def _apply(self, manifests: Manifests) -> None:
        source = os.fsencode(self.path).decode(errors="backslashreplace")
        try:
            data = await asyncio.to_thread(self.path.read_bytes)
        except OSError as problem:
            reason = f"{source}: cannot be read: {problem.strerror}; mend --config"
            unreadable = InvalidManifest((reason,), source)
            await manifests.refuse_own(source, unreadable)
            raise unreadable from problem
        try:
            text = decode(data, Mistakes(source))
        except InvalidManifest as unreadable:
            await manifests.refuse_own(source, unreadable)
            raise
        await manifests.apply_own(ManifestRequest(source=source, text=text))

    async def _was_applied(self, operations: Operations) -> bool:
        rows = await operations.manifests.store.catalog()
        owners = {row.managed_by for row in rows.triggers} | {
            row.managed_by for row in rows.workloads
        }
        return any(owner.startswith("manifest:") for owner in owners)
