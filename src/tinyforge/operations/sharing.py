"""What is to be said of servers that share a database, and of that database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tinyforge.clock import MINUTE, SECOND, Micros, rfc3339
from tinyforge.ids import show
from tinyforge.model import Workload
from tinyforge.operations.answering import length
from tinyforge.operations.answers import CheckView, ReplicaView
from tinyforge.operations.placement import obstacle
from tinyforge.store.port import Replica, Strain

MOST_NAMED = 20
CLOCK_TOLERATED: Micros = 2 * SECOND
LONG: Micros = 5 * MINUTE  # for a transaction: until its end nothing that is dead can be cleared
MANY_DEAD = 50_000


def replica_view(replica: Replica) -> ReplicaView:
    given = replica.abilities
    return ReplicaView(
        number=replica.number,
        instance=show("srv", replica.instance),
        version=replica.version,
        started_at=rfc3339(replica.started_at),
        labels=given.labels if given else (),
        trigger_kinds=_sorted(given.trigger_kinds) if given else None,
        workload_kinds=_sorted(given.workload_kinds) if given else None,
        clock_off_us=replica.clock_off,
    )


def _sorted(kinds: frozenset[str] | None) -> Sequence[str] | None:
    return None if kinds is None else sorted(kinds)


def versions(replicas: Sequence[Replica]) -> Iterator[CheckView]:
    """Say how many servers live, and whether an upgrade is under way."""
    if not replicas:
        return
    found = Counter(one.version for one in replicas)
    live = "1 server lives" if len(replicas) == 1 else f"{len(replicas)} servers live"
    if len(found) == 1:
        yield CheckView(name="servers", verdict="ok", what=live)
        return
    each = ", ".join(f"{count} of {version}" for version, count in sorted(found.items()))
    yield CheckView(
        name="servers",
        verdict="warn",
        what=f"{live}: {each}",
        fix="end the upgrade: bring all to one version, and restart them",
    )


def clocks(replicas: Sequence[Replica]) -> Iterator[CheckView]:
    """Judge the clocks of the machines; schedules go by the database's."""
    known = [(abs(one.clock_off), one) for one in replicas if one.clock_off is not None]
    if not known:
        return
    worst, replica = max(known, key=lambda found: found[0])
    if worst <= CLOCK_TOLERATED:
        what = f"none is more than {length(worst)} away from the database's"
        yield CheckView(name="clocks", verdict="ok", what=what)
        return
    side = "ahead of" if (replica.clock_off or 0) > 0 else "behind"
    yield CheckView(
        name="clocks",
        verdict="warn",
        what=f"that of server {replica.number} is {length(worst)} {side} the database's",
        fix="timedatectl status, there; schedules go by the database, logs do not",
    )


def strains(strain: Strain) -> Iterator[CheckView]:
    """Judge what keeps a shared database from clearing away what is dead."""
    oldest = strain.oldest_transaction
    if oldest is not None and oldest.age > LONG:
        yield CheckView(
            name="transactions",
            verdict="warn",
            what=f"one is {length(oldest.age)} old: process {oldest.process}, {oldest.doing}",
            fix=f"end it where it began, or: SELECT pg_terminate_backend({oldest.process})",
        )
    elif strain.rows:
        yield CheckView(
            name="transactions",
            verdict="ok",
            what=f"the oldest is {length(oldest.age)} old" if oldest else "none is open",
        )
    for table, (live, dead) in sorted(strain.rows.items()):
        what = f"{dead:,} are dead beside {live:,} live ones"
        if dead <= max(MANY_DEAD, live):
            yield CheckView(name=f"rows of {table}", verdict="ok", what=what)
        else:
            fix = f"VACUUM {table}, and find out why autovacuum does not keep up"
            yield CheckView(name=f"rows of {table}", verdict="warn", what=what, fix=fix)


def places(workloads: Sequence[Workload], replicas: Sequence[Replica]) -> Iterator[CheckView]:
    """Name the workloads that ask for a place that no server is."""
    asking = [one for one in workloads if one.on]
    found = [(one, why) for one in asking if (why := obstacle(one, replicas)) is not None]
    for workload, (words, fix) in found[:MOST_NAMED]:
        name = f"workload {workload.name}"
        yield CheckView(name=name, verdict="fail", what=f"its runs wait: {words}", fix=fix)
    if len(found) > MOST_NAMED:
        more = f"{len(found) - MOST_NAMED} more workloads ask for a place that no server is"
        yield CheckView(name="places", verdict="fail", what=more, fix="tinyforge run list")
