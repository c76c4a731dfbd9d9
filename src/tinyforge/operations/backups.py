"""What a backup and a restore are told, and what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from tinyforge.clock import Micros
from tinyforge.operations.views import View


class Into(Struct, frozen=True, kw_only=True):
    """Where a backup goes, and how. *data*: a data folder, also where PostgreSQL has the rest."""

    data: Path
    database: str | None
    key_path: Path
    tick_interval: Micros
    actor: str
    force: bool
    skip_missed: bool


class BackupView(View, frozen=True, kw_only=True):
    source: str
    file: str
    bytes: int
    at: str
    keys: Sequence[str]  # ids of those without which it cannot be restored; none: nothing is sealed
    next_command: str = ""


class RestoreView(View, frozen=True, kw_only=True):
    file: str
    target: str
    made_at: str | None  # None: it does not say so, for it is a plain copy
    runs: int  # that were queued or running in it, and are interrupted
    events: int  # that nothing was decided for yet, and nothing is
    skipped: int  # schedules whose missed windows are skipped
    kept: str | None  # where the database is that was there before
    next_command: str = ""
