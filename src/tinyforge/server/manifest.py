"""The manifest that a server was started with: applied before the first sweep, and on SIGHUP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinyforge.errors import InvalidManifest
from tinyforge.operations.door import Operations
from tinyforge.operations.views import ManifestRequest

AUTHOR = "--config"


@dataclass(frozen=True)
class ConfigFile:
    path: Path
    strict: bool

    async def apply(self, operations: Operations) -> None:
        """Apply the file. One with mistakes leaves what was applied last in force.

        InvalidManifest where nothing was ever applied, or with `--strict`.
        """
        try:
            await operations.manifests.apply_own(self._request(), AUTHOR)
        except InvalidManifest:
            if self.strict or not await self._was_applied(operations):
                raise

    def _request(self) -> ManifestRequest:
        try:
            text = self.path.read_bytes().decode(errors="surrogateescape")
        except OSError as problem:
            reason = f"{self.path}: cannot be read: {problem.strerror}; mend --config"
            raise InvalidManifest((reason,)) from problem
        return ManifestRequest(source=str(self.path), text=text)

    async def _was_applied(self, operations: Operations) -> bool:
        rows = await operations.manifests.store.catalog()
        owners = {row.managed_by for row in rows.triggers} | {
            row.managed_by for row in rows.workloads
        }
        return any(owner.startswith("manifest:") for owner in owners)
