"""Backups of what is served, and databases that are made of them again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, cast

from tinyforge import __version__
from tinyforge.clock import SECOND, Clock, Moment, SystemClock, rfc3339
from tinyforge.engine.planning import Planner
from tinyforge.errors import Refused
from tinyforge.operations.backups import BackupView, Into, RestoreView
from tinyforge.operations.commands import command
from tinyforge.operations.moving import Move, Progress
from tinyforge.operations.rendering import at_text
from tinyforge.operations.serving import Serving
from tinyforge.plugins import Plugins
from tinyforge.sealing import Keyring
from tinyforge.store.port import AuditEntry, ConfigChange, TimingWrite
from tinyforge.store.port.backups import Mark, Step, Tell
from tinyforge.store.port.moving import Side, Target
from tinyforge.store.sqlite import backup as files
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.store.sqlite.moving import open_source as open_file
from tinyforge.store.sqlite.moving import open_target as open_new_file
from tinyforge.store.sqlite.store import SqliteStore

TOGETHER = 5_000  # schedules in one transaction


class Shared(Protocol):
    """`store.postgres.moving`, whose driver is imported only where it is used."""

    def open_snapshot(self, url: str, clock: Clock) -> AbstractAsyncContextManager[Side]: ...

    def open_target(
        self, url: str, clock: Clock, *, replace: bool
    ) -> AbstractAsyncContextManager[Target]: ...

    def audit_of(self, url: str) -> Awaitable[list[Sequence[object]]]: ...

    def without_password(self, url: str) -> str: ...


def run_backup(source: Path | str, to: Path, tell: Tell) -> BackupView:
    """Do `back_up` in a loop of its own."""
    return asyncio.run(back_up(source, to, tell))


def run_restore(backup: Path, into: Into, tell: Tell) -> RestoreView:
    """Do `restore` in a loop of its own."""
    return asyncio.run(restore(backup, into, tell))


async def back_up(source: Path | str, to: Path, tell: Tell) -> BackupView:
    """Write a copy of a data folder's file, or of a PostgreSQL, as of one moment. Refused."""
    clock = SystemClock()
    now = clock.now()
    with files.part_of(to) as part:
        if isinstance(source, str):
            await _copy_shared(source, part, clock, tell)
        else:
            await asyncio.to_thread(files.copy_live, source, part, tell)
        copy = files.finish(part, Mark(at=now, version=__version__))
        tell(Step(name="checked"))
    shown = _shared().without_password(source) if isinstance(source, str) else source / DATABASE
    return BackupView(
        source=str(shown),
        file=str(to),
        bytes=copy.bytes,
        at=rfc3339(now),
        keys=sorted(copy.keys),
    )


async def restore(backup: Path, into: Into, tell: Tell) -> RestoreView:
    """Make a database of *backup*; whatever happens, it is the old one or the new one, whole.

    Refused where one is there and *force* is not given; KeyMissing; both before anything changes.
    """
    now = SystemClock().now()
    found = await asyncio.to_thread(files.look_into, backup)
    tell(Step(name="checked"))
    Keyring(into.key_path).need(sorted(found.keys))
    with files.held(into.data):
        audit = await _audit_there(into)
        with files.built_beside(into.data) as built:
            files.copy_file(backup, built / DATABASE, tell)
            ended = files.prepare(built / DATABASE, audit, now)
            skipped = await _decide(backup, into, built, now)
            files.settle(built / DATABASE)
            tell(Step(name="prepared"))
            kept = await _put(into, built, now, tell)
    tell(Step(name="in place"))
    target = into.data / DATABASE
    return RestoreView(
        file=str(backup),
        target=_shared().without_password(into.database) if into.database else str(target),
        made_at=at_text(found.mark.at if found.mark else None),
        runs=ended.runs,
        events=ended.events,
        skipped=skipped,
        kept=str(kept) if kept else None,
        next_command=command("serve"),
    )


async def _copy_shared(url: str, part: Path, clock: Clock, tell: Tell) -> None:
    folder = part.with_name(f"{part.name}s")
    async with _shared().open_snapshot(url, clock) as source:
        with open_new_file(folder, clock.now()) as target:
            await Move(source, target, clock, _serving(), version("tzdata"), _steps(tell)).move()
    (folder / DATABASE).rename(part)
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()


async def _audit_there(into: Into) -> list[Sequence[object]]:
    """Return the audit of what is replaced, which goes on in what comes; Refused."""
    if into.database is not None:
        return await _shared().audit_of(into.database)
    if files.holds(into.data) and not into.force:
        raise Refused(
            f"{into.data / DATABASE} is there already",
            "give --force: what is there is then kept beside it, under another name",
        )
    return files.audit_of(into.data)


async def _decide(backup: Path, into: Into, built: Path, now: Moment) -> int:
    """Write the restore into the audit, and skip what was missed if asked; return how many."""
    async with SqliteStore.open(built, SystemClock()) as store:
        missed = await _missed(store, into, now) if into.skip_missed else []
        for begin in range(0, len(missed), TOGETHER):
            together = missed[begin : begin + TOGETHER]
            await store.change(ConfigChange(author=into.actor, timings=together), now)
        entry = AuditEntry(
            id=store.new_id(now),
            at=now,
            actor=into.actor,
            action="restore",
            target=backup.name,
            after="missed windows skipped" if into.skip_missed else "",
            source="local",
        )
        await store.record(entry)
    return len(missed)


async def _missed(store: SqliteStore, into: Into, now: Moment) -> list[TimingWrite]:
    planner = Planner(Plugins.discover(), into.tick_interval)
    catalog = await store.catalog()
    found = (planner.skip_missed(timing, now) for timing in catalog.timings)
    return [write for write in found if write is not None]


async def _put(into: Into, built: Path, now: Moment, tell: Tell) -> Path | None:
    if into.database is None:
        return files.put_in_place(into.data, built / DATABASE, now)
    clock = SystemClock()
    async with _filled(into, clock) as target:
        with open_file(built) as source:
            await Move(source, target, clock, _serving(), version("tzdata"), _steps(tell)).move()
    return None


@asynccontextmanager
async def _filled(into: Into, clock: Clock) -> AsyncIterator[Target]:
    assert into.database is not None  # noqa: S101 - narrows what the caller has asked
    async with _shared().open_target(into.database, clock, replace=into.force) as target:
        yield target


def _steps(tell: Tell) -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        if not progress.is_checked:
            tell(Step(name=progress.table, done=progress.done, total=progress.total))

    return told


def _serving() -> Serving:
    return Serving(
        version=__version__,
        data=Path(),
        database=None,
        tick_interval=30 * SECOND,
        unready=lambda: None,
    )


def _shared() -> Shared:
    return cast("Shared", import_module("tinyforge.store.postgres.moving"))
