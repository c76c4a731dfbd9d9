"""Moving everything into another database, and proving that all of it came there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec
from msgspec import Struct

from tinyforge.clock import Clock
from tinyforge.errors import Refused
from tinyforge.operations.answers import VerifyView
from tinyforge.operations.callers import ITSELF
from tinyforge.operations.serving import Serving
from tinyforge.operations.verify import Verify
from tinyforge.operations.views import View
from tinyforge.store.port.moving import MOVED, Cells, Moved, Side, Target

_encode = msgspec.msgpack.Encoder().encode


class MovedTableView(View, frozen=True, kw_only=True):
    name: str
    rows: int
    checksum: str  # of all its cells, in the order of the key: the same on both sides


class MoveView(View, frozen=True, kw_only=True):
    source: str
    target: str
    tables: Sequence[MovedTableView]
    windows: int  # that were worked out anew, on both sides
    faults: int  # of the ledger, which were there before


class Progress(Struct, frozen=True, kw_only=True):
    """How far a table is; what was put is read back before it counts as moved."""

    table: str
    done: int
    total: int
    is_checked: bool = False


class Checksum:
    """Rows, one by one, whatever batches they come in."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self.rows = 0

    def add(self, rows: Sequence[Cells]) -> None:
        self._hash.update(b"".join(map(_encode, rows)))
        self.rows += len(rows)

    @property
    def text(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class Move:
    """One move. The target is kept only if it says in everything what the source says."""

    source: Side
    target: Target
    clock: Clock
    serving: Serving
    zone_data: str  # the version in use
    tell: Callable[[Progress], None]

    async def move(self) -> MoveView:
        """Refused where the two differ afterwards; then the target is as it was."""
        written = await self._put_all()
        marks = await self.source.marks()
        await self.target.end(marks)
        for table, (columns, checksum) in written.items():
            await self._check(table, columns, checksum)
        moved = await self.target.marks()
        if (moved.generation, moved.high_water) != (marks.generation, marks.high_water):
            raise _differs("the marks of its clock and of its config")
        proved = await self._prove()
        await self.target.keep()
        return self._view({table: checksum for table, (_, checksum) in written.items()}, proved)

    async def _put_all(self) -> dict[Moved, tuple[list[str], Checksum]]:
        there, here = await self.source.columns(), await self.target.columns()
        written = {}
        for table in MOVED:
            if table.name not in there:
                raise Refused(
                    f"{self.source.name} lacks the table {table.name}", "give a whole one"
                )
            columns = shared_columns(table, there[table.name], here[table.name])
            written[table] = columns, await self._put(table, columns)
        return written

    async def _put(self, table: Moved, columns: Sequence[str]) -> Checksum:
        """Copy one table; return the checksum of what was read."""
        total, checksum = await self.source.count(table), Checksum()
        async for rows in self.source.rows(table, columns):
            checksum.add(rows)
            await self.target.put(table, columns, rows)
            self.tell(Progress(table=table.name, done=checksum.rows, total=total))
        return checksum

    async def _check(self, table: Moved, columns: Sequence[str], wanted: Checksum) -> None:
        found = Checksum()
        async for rows in self.target.rows(table, columns):
            found.add(rows)
        if (found.rows, found.text) != (wanted.rows, wanted.text):
            raise _differs(f"{table.name}: {wanted.rows:,} rows became {found.rows:,}, or others")
        self.tell(Progress(table=table.name, done=found.rows, total=wanted.rows, is_checked=True))

    async def _prove(self) -> VerifyView:
        """Derive all windows again on both sides: they must come to the same."""
        views = []
        for side in (self.source, self.target):
            async with side.ledger() as ledger:
                verify = Verify(ledger, self.serving, self.clock, self.zone_data)
                views.append(await verify.verify(ITSELF))
        before, after = views
        if (before.checked, before.faults) != (after.checked, after.faults):
            raise _differs("what verify finds in its ledger")
        return after

    def _view(self, moved: Mapping[Moved, Checksum], proved: VerifyView) -> MoveView:
        return MoveView(
            source=self.source.name,
            target=self.target.name,
            tables=[
                MovedTableView(name=table.name, rows=checksum.rows, checksum=checksum.text)
                for table, checksum in moved.items()
            ],
            windows=proved.checked.windows,
            faults=len(proved.faults),
        )


def shared_columns(table: Moved, there: Sequence[str], here: Sequence[str]) -> list[str]:
    """Return the columns that both databases have, the key's first."""
    rest = sorted(set(there) & set(here) - set(table.key))
    return [*table.key, *rest]


def _differs(what: str) -> Refused:
    return Refused(
        f"the target is not what the source is, and was not kept: {what}",
        "begin again; if it stays, keep both databases as they are and report it",
    )
