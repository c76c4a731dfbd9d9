"""What is stored sealed: secrets of configs, and the ids of endpoints that are secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from tinyforge.clock import Moment
from tinyforge.ids import show
from tinyforge.model import TriggerId

Owner: TypeAlias = Literal["trigger", "workload"]
SealedTable: TypeAlias = Literal["secrets", "endpoints"]
SEALED_TABLES: tuple[SealedTable, ...] = ("secrets", "endpoints")


class SecretRow(Struct, frozen=True, kw_only=True):
    """One secret of one field. *owner* is the name of the trigger or workload."""

    id: int
    what: Owner
    owner: str
    field: str
    sealed: bytes
    made_at: Moment

    @property
    def name(self) -> str:
        """What stands in a config: `${sealed:NAME}`."""
        return show("sec", self.id)

    @property
    def context(self) -> str:
        return secret_context(self.id, self.what, self.owner, self.field)


class Disused(NamedTuple):
    """A secret that no config names any more. It goes only if it is that row's."""

    id: int
    what: Owner
    owner: str


class Secrecy(Struct, frozen=True, kw_only=True):
    """What a change of config seals, and what it needs sealed no more.

    *keys*: the ids of the keys that we hold, the one that sealed first. Refused where the database
    is sealed with another.
    """

    keys: Sequence[str] = ()
    secrets: Sequence[SecretRow] = ()
    disused: Sequence[Disused] = ()


class SealedCell(NamedTuple):
    table: SealedTable
    row_id: int
    context: str
    sealed: bytes


class Resealed(NamedTuple):
    """Stored only where *before* is still what stands there."""

    table: SealedTable
    row_id: int
    before: bytes
    after: bytes


class Secrets(Protocol):
    async def secrets(self, after: int, limit: int) -> list[SecretRow]:
        """Return secrets by id, from above *after* on."""
        ...

    async def sealed_cells(self, table: SealedTable, after: int, limit: int) -> list[SealedCell]:
        """Return what is sealed in one table, by id."""
        ...

    async def reseal(self, cells: Sequence[Resealed]) -> None: ...

    async def keys_wanted(self) -> frozenset[str]:
        """Return the ids of the keys with which anything is sealed."""
        ...


def secret_context(row_id: int, what: Owner, owner: str, field: str) -> str:
    return f"secrets/{show('sec', row_id)}/{what}/{owner}/{field}"


def endpoint_context(trigger_id: TriggerId) -> str:
    return f"endpoints/{show('trg', trigger_id)}"
