"""Workload kinds `note` and `note-in-thread`: a line for each deploy at the end of a file."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tinyforge.errors import DeployFailed
from tinyforge.kinds import DeployContext, WorkloadKind


@dataclass(frozen=True, kw_only=True)
class Note(WorkloadKind):
    idempotent: ClassVar[bool] = True

    path: str

    async def deploy(self, context: DeployContext) -> None:
        await asyncio.sleep(0)
        _write(self.path, "note", context)


@dataclass(frozen=True, kw_only=True)
class NoteInThread(WorkloadKind):
    path: str

    def deploy(self, context: DeployContext) -> None:
        if threading.current_thread() is threading.main_thread():
            raise DeployFailed("a plain def must not run on the loop")
        _write(self.path, "note-in-thread", context)


def _write(path: str, kind: str, context: DeployContext) -> None:
    with Path(path).open("a") as file:
        file.write(f"{kind} {context.workload} {context.run} {context.attempt}\n")
    context.log.write(f"noted in {path}")
