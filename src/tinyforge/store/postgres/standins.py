"""What a file can hold and PostgreSQL cannot: which cells, and what stands in for them. Pure."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from tinyforge.errors import Refused
from tinyforge.store.port.moving import Cell, Cells, Moved, Unreadable

LONGEST_NAME = 1_000  # characters: it is indexed
SHOWN = 40
CUT = 100_000_000  # bytes of text that a column may take, with room to spare
MARK = "\ufffd"  # of what was no text: no name and no JSON that we accept has it
NO_FLAG = -1  # a flag that is neither yes nor no, so that its row stays broken
FLAGS = frozenset({"enabled", "idempotent"})
SIZES = {"bigint": 63, "integer": 31, "smallint": 15}


class StandIn(NamedTuple):
    """One cell: where it is, what stands there, and what was there."""

    table: str
    key: str
    column: str
    given: str
    kind: str
    original: bytes


def fits(kind: str, values: Sequence[Cell], *, is_name: bool) -> bool:
    """Say whether a column of *kind* can hold all of *values*."""
    kinds = set(map(type, values)) - {type(None)}
    match kind:
        case "text":
            return kinds <= {str} and all(_is_text(value, is_name=is_name) for value in values)
        case "bytea":
            return kinds <= {bytes}
        case _:
            return kinds <= {int} and (kind == "bigint" or _is_small(kind, values))


def _is_text(value: Cell, *, is_name: bool) -> bool:
    longest = LONGEST_NAME if is_name else CUT
    return not isinstance(value, str) or ("\0" not in value and len(value) <= longest)


def _is_small(kind: str, values: Sequence[Cell]) -> bool:
    edge = 1 << SIZES[kind]
    return all(-edge <= value < edge for value in values if isinstance(value, int))


class Fitting:
    """Makes rows of one table fit, and keeps what had to give way."""

    def __init__(self, table: Moved, columns: Sequence[str], kinds: Mapping[str, str]) -> None:
        self._table, self._columns = table, columns
        self._kinds = [kinds[name] for name in columns]
        self._keys = [list(columns).index(name) for name in table.key]

    def fit(self, rows: list[Cells]) -> tuple[list[Cells], list[StandIn]]:
        """Return the rows as they can stand there; Refused where one cannot."""
        odd = [
            place
            for place, values in enumerate(zip(*rows, strict=True))
            if not self._fits(place, values)
        ]
        if not odd:
            return rows, []
        gone: list[StandIn] = []
        return [self._fitted(row, odd, gone) for row in rows], gone

    def _fits(self, place: int, values: Sequence[Cell]) -> bool:
        return fits(self._kinds[place], values, is_name=self._columns[place] == "name")

    def _fitted(self, row: Cells, odd: Sequence[int], gone: list[StandIn]) -> Cells:
        fitted = list(row)
        for place in odd:
            if self._fits(place, (row[place],)):
                continue
            fitted[place] = self._given(row, place)
            gone.append(
                StandIn(
                    self._table.name,
                    key_of(row, self._keys),
                    self._columns[place],
                    str(fitted[place]),
                    *_packed(row[place]),
                )
            )
        return fitted

    def _given(self, row: Cells, place: int) -> Cell:
        column, kind, cell = self._columns[place], self._kinds[place], row[place]
        if place in self._keys or (kind != "text" and column not in FLAGS):
            where = f"{self._table.name} {', '.join(str(row[key]) for key in self._keys)}"
            raise Refused(
                f"{where}: {column} holds {_shown(cell)}, and PostgreSQL takes {kind} alone there",
                "start a server on the file once: it reads what hands wrote; or correct it in SQL",
            )
        if column in FLAGS:
            return NO_FLAG
        name = blake2b(_packed(cell)[1], digest_size=8).hexdigest() if column == "name" else ""
        return f"{_readable(cell)[: LONGEST_NAME // 2 if name else CUT]}{MARK}{name}"


def _readable(cell: Cell) -> str:
    raw = cell.text if isinstance(cell, Unreadable) else cell
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
    return text.replace("\0", MARK)


def _shown(cell: Cell) -> str:
    return f"{type(cell).__name__} {_readable(cell)[:SHOWN]!r}"


def key_of(row: Cells, keys: Sequence[int]) -> str:
    return msgspec.json.encode([row[place] for place in keys]).decode()


def _packed(cell: Cell) -> tuple[str, bytes]:
    match cell:
        case Unreadable(text):
            return "unreadable", text
        case bytes():
            return "blob", cell
        case str():
            return "text", cell.encode()
        case float():
            return "real", struct.pack(">d", cell)
        case _:
            return "integer", str(cell).encode()


UNPACK: Mapping[str, Callable[[bytes], Cell]] = {
    "unreadable": Unreadable,
    "blob": bytes,
    "text": bytes.decode,
    "real": lambda raw: float(struct.unpack(">d", raw)[0]),
    "integer": int,
}


class PutBack:
    """Puts the originals of one table back where their stand-ins still are."""

    def __init__(self, table: Moved, columns: Sequence[str], kept: Sequence[StandIn]) -> None:
        self._places = {name: place for place, name in enumerate(columns)}
        self._keys = [self._places[name] for name in table.key]
        self._kept: defaultdict[str, list[StandIn]] = defaultdict(list)
        for one in kept:
            self._kept[one.key].append(one)

    def rows(self, rows: list[Cells]) -> list[Cells]:
        return [self._row(row) for row in rows] if self._kept else rows

    def _row(self, row: Cells) -> Cells:
        key = key_of(row, self._keys)
        if key not in self._kept:
            return row
        original = list(row)
        for one in self._kept[key]:
            place = self._places[one.column]
            if str(row[place]) == one.given:
                original[place] = UNPACK[one.kind](one.original)
        return original
