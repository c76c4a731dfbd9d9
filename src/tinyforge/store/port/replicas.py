"""Who serves, what each of them may be given, and how the database that they share is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from tinyforge.clock import Micros, Moment
from tinyforge.labels import Labels, carries

Kinds = frozenset[str]


def show_kinds(kinds: Kinds | None) -> str | None:
    """Return the text that a row keeps; None: any."""
    return None if kinds is None else ",".join(sorted(kinds))


def read_kinds(text: str | None) -> Kinds | None:
    return None if text is None else frozenset(filter(None, text.split(",")))


class Abilities(Struct, frozen=True, kw_only=True):
    """What a server may be given: its labels, and the kinds that it knows. None: any kind."""

    labels: Labels = ()
    trigger_kinds: Kinds | None = None
    workload_kinds: Kinds | None = None

    def may_deploy(self, kind: str, on: Labels) -> bool:
        knows = self.workload_kinds is None or kind in self.workload_kinds
        return knows and carries(self.labels, on)


class Elsewhere(NamedTuple):
    """Kinds that this server lacks, and another one knows that lives."""

    trigger_kinds: Kinds = frozenset()
    workload_kinds: Kinds = frozenset()


class Replica(Struct, frozen=True, kw_only=True):
    """A server that lives. Abilities of None: an older program, which takes whatever there is."""

    number: int
    instance: int
    version: str
    started_at: Moment
    abilities: Abilities | None
    clock_off: Micros | None = (
        None  # its machine's clock is ahead of the database's; None: no other
    )

    def may_deploy(self, kind: str, on: Labels) -> bool:
        return self.abilities is None or self.abilities.may_deploy(kind, on)


class LongTransaction(NamedTuple):
    age: Micros
    process: int
    doing: str  # such as `idle in transaction`; empty where that may not be seen


class TableRows(NamedTuple):
    live: int
    dead: int


class Strain(Struct, frozen=True, kw_only=True):
    """What a shared database suffers from; nothing of it where nobody shares."""

    oldest_transaction: LongTransaction | None = None
    rows: Mapping[str, TableRows] = {}  # of the tables that are claimed from


class Replicas(Protocol):
    @property
    def elsewhere(self) -> Elsewhere:
        """Return what is left to other servers, as it was a moment ago; nothing is asked."""
        ...

    async def replicas(self) -> Sequence[Replica]:
        """Return all servers that live, by number."""
        ...

    async def strain(self) -> Strain: ...
