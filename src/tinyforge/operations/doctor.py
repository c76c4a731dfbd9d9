"""Looking for what is wrong, each with how it is put right."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from tinyforge.clock import MINUTE, Clock, Moment, rfc3339
from tinyforge.errors import UnknownKind
from tinyforge.ids import show
from tinyforge.model import Binding, RunState, Trigger, Workload
from tinyforge.operations import keys, machine
from tinyforge.operations.answering import length
from tinyforge.operations.answers import CheckView, DoctorView
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.manifests import REFUSED_FACT, Refusal
from tinyforge.operations.placement import obstacles
from tinyforge.operations.roles import Queues, Vaults
from tinyforge.operations.serving import Serving
from tinyforge.operations.sharing import clocks, places, replica_view, strains, versions
from tinyforge.plugins import Plugins, Role
from tinyforge.references import unresolved
from tinyforge.store.port import Catalog, Counts, Replica, RunFilter, Secrets, Strain, What

MOST_ROWS = 20  # that are named one by one
TICKS = 2
STUCK = 2 * MINUTE


class Examined(Queues, Secrets, Protocol):
    async def strain(self) -> Strain: ...

    async def counts(self) -> Counts: ...

    async def check(self) -> list[str]: ...

    async def fact(self, name: str) -> str | None: ...

    async def high_water(self) -> Moment: ...


@dataclass(frozen=True)
class Doctor:
    store: Examined
    serving: Serving
    clock: Clock
    plugins: Plugins
    zone_data: str  # the version in use
    vault: Vaults

    async def examine(self, caller: Caller) -> DoctorView:
        caller.must_see_all("doctor")
        now = self.clock.now()
        counts = await self.store.counts()
        await self.vault.refresh()
        catalog = await self.store.catalog()
        replicas = await self.store.replicas()
        checks = [
            self._server(),
            *versions(replicas),
            *clocks(replicas),
            machine.clock(now, await self.store.high_water()),
            *await asyncio.to_thread(self._machine, now),
            *await self._file(),
            *strains(await self.store.strain()),
            *rows(catalog),
            *await asyncio.to_thread(lambda: list(kinds(catalog, self.plugins, replicas))),
            *places(catalog.workloads, replicas),
            *await asyncio.to_thread(lambda: list(references(catalog, self.serving))),
            windows(counts, self.serving, now),
            await self._queue(counts, now),
            unfinished(counts, self.serving),
            *await self._key(),
            *await self._manifest(),
        ]
        worst = max((check.verdict for check in checks), key=("ok", "warn", "fail").index)
        return DoctorView(worst=worst, checks=checks, replicas=list(map(replica_view, replicas)))

    def _server(self) -> CheckView:
        problem = self.serving.unready()
        if not self.serving.is_live:
            what = f"no server serves {self.serving.data}; nothing fires"
            return CheckView(name="server", verdict="warn", what=what, fix=command("serve"))
        if problem is not None:
            what = f"windows cannot be recorded: {problem}"
            fix = "free the disk or make the file writable; it goes on by itself"
            return CheckView(name="server", verdict="fail", what=what, fix=fix)
        return CheckView(name="server", verdict="ok", what=f"{self.serving.version} serves")

    def _machine(self, now: Moment) -> list[CheckView]:
        data, database = self.serving.data, self.serving.database
        files = [] if database is None else [database]
        return [
            machine.disk(data),
            *machine.files([(data, 0o700), *((file, 0o600) for file in files)]),
            *map(machine.wal, files),
            machine.zone_data(self.zone_data, now),
        ]

    async def _file(self) -> list[CheckView]:
        problems = await self.store.check()
        if not problems:
            return [CheckView(name="database", verdict="ok", what="its check finds nothing")]
        fix = "stop the server, keep a copy of the folder, and restore the last good copy of it"
        if self.serving.database is None:
            fix = "do that on the database, then ask again"
        return [
            CheckView(name="database", verdict="fail", what=problem, fix=fix)
            for problem in problems[:MOST_ROWS]
        ]

    async def _queue(self, counts: Counts, now: Moment) -> CheckView:
        queued, running = counts.runs.get("queued", 0), counts.runs.get("running", 0)
        what = f"{queued} runs are queued, {running} are running"
        oldest = counts.oldest_ready
        if oldest is not None and queued and now > oldest:
            what += f"; one has been ready for {length(now - oldest)}"
        if not self.serving.is_live or not queued or running:
            return CheckView(name="queue", verdict="ok", what=what)
        waiting = await self.store.runs(RunFilter(state=RunState.QUEUED, limit=MOST_ROWS))
        placeless = await obstacles(self.store, waiting)
        stuck = [run for run in waiting if now - run.ready_at > STUCK and run.id not in placeless]
        if not stuck:
            return CheckView(name="queue", verdict="ok", what=what)
        return CheckView(
            name="queue",
            verdict="fail",
            what=f"{what}: {show('run', stuck[0].id)}",
            fix="look at the server's log, then restart it: queued runs are kept",
        )

    async def _key(self) -> list[CheckView]:
        wanted = await self.store.keys_wanted()
        return await asyncio.to_thread(lambda: list(keys.check(self.vault.keyring, wanted)))

    async def _manifest(self) -> list[CheckView]:
        kept = await self.store.fact(REFUSED_FACT)
        if kept is None:
            return []
        refusal = msgspec.json.decode(kept, type=Refusal)
        fix = f"correct it, then: {command('apply', refusal.source)}"
        since = f"refused at {rfc3339(refusal.at)}, the last good state goes on"
        return [
            CheckView(name="manifest", verdict="fail", what=f"{mistake} ({since})", fix=fix)
            for mistake in refusal.mistakes[:MOST_ROWS]
        ]


def rows(catalog: Catalog) -> list[CheckView]:
    """Name what is broken, with where it is put right."""
    broken: list[tuple[What, Trigger | Workload | Binding]] = [
        *(("trigger", row) for row in catalog.triggers if row.broken),
        *(("workload", row) for row in catalog.workloads if row.broken),
        *(("binding", row) for row in catalog.bindings if row.broken),
    ]
    if not broken:
        total = len(catalog.triggers) + len(catalog.workloads) + len(catalog.bindings)
        return [CheckView(name="rows", verdict="ok", what=f"all {total} can be served")]
    checks = [
        CheckView(
            name=f"{what} {row.name}",
            verdict="fail",
            what=str(row.broken),
            fix=_repair(row),
        )
        for what, row in broken[:MOST_ROWS]
    ]
    if len(broken) > MOST_ROWS:
        more = f"{len(broken) - MOST_ROWS} more rows are broken"
        fix = "tinyforge trigger list --state broken"
        checks.append(CheckView(name="rows", verdict="fail", what=more, fix=fix))
    return checks


def _repair(row: Trigger | Workload | Binding) -> str:
    owner, _, name = row.managed_by.partition(":")
    if owner == "manifest":
        return f"correct it in the manifest named {name}, then: tinyforge apply FILE"
    return "correct the row where it was written, or: tinyforge export > FILE, edit, apply --adopt"


def kinds(catalog: Catalog, plugins: Plugins, replicas: Sequence[Replica]) -> Iterator[CheckView]:
    """Name each kind in use that cannot be had here; another server may have it."""
    named: Sequence[tuple[Role, Sequence[Trigger] | Sequence[Workload]]] = (
        ("trigger", catalog.triggers),
        ("workload", catalog.workloads),
    )
    for role, found in named:
        uses = Counter(row.kind for row in found if not row.broken)
        for kind, count in sorted(uses.items()):
            try:
                plugins.fields(role, kind)
            except UnknownKind as problem:
                yield _lacking(role, kind, f"{problem}; {role}s that want it: {count}", replicas)


def _lacking(role: Role, kind: str, what: str, replicas: Sequence[Replica]) -> CheckView:
    name = f"{role} kind {kind}"
    having = [one.number for one in replicas if _has(role, kind, one)]
    if having:
        known = f"this server lacks it, and leaves it to {len(having)} that know it"
        return CheckView(name=name, verdict="ok", what=known)
    return CheckView(
        name=name,
        verdict="fail" if replicas else "warn",
        what=what,
        fix="install it where the server starts, then restart the server",
    )


def _has(role: Role, kind: str, replica: Replica) -> bool:
    given = replica.abilities
    if given is None:
        return False
    return kind in ((given.trigger_kinds if role == "trigger" else given.workload_kinds) or ())


def references(catalog: Catalog, serving: Serving) -> Iterator[CheckView]:
    """Name each reference without a value; away from the server it may have one there."""
    named: Sequence[tuple[What, Sequence[Trigger] | Sequence[Workload]]] = (
        ("trigger", catalog.triggers),
        ("workload", catalog.workloads),
    )
    for what, found in named:
        for row in found:
            for _, problem in unresolved(row.config):
                yield CheckView(
                    name=f"{what} {row.name}",
                    verdict="fail" if serving.is_live else "warn",
                    what=problem,
                    fix="set it where the server starts, then restart the server",
                )


def windows(counts: Counts, serving: Serving, now: Moment) -> CheckView:
    """Judge the oldest window that is not decided yet."""
    oldest = counts.oldest_undecided
    if oldest is None or now - oldest <= TICKS * serving.tick_interval:
        return CheckView(name="windows", verdict="ok", what="none waits for a decision")
    return CheckView(
        name="windows",
        verdict="fail" if serving.is_live else "warn",
        what=f"one of {length(now - oldest)} ago ({rfc3339(oldest)}) is not decided yet",
        fix="look at the server's log" if serving.is_live else "start the server: it catches up",
    )


def unfinished(counts: Counts, serving: Serving) -> CheckView:
    what = f"{counts.open_events} events have no results yet, {counts.unplanned} rows are new"
    if not serving.is_live or not counts.unplanned + counts.open_events:
        return CheckView(name="backlog", verdict="ok", what=what)
    return CheckView(
        name="backlog",
        verdict="warn",
        what=what,
        fix="ask again after one tick; if it stays, look at the server's log",
    )
