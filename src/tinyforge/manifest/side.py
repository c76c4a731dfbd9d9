"""One noun of a comparison: the rows that shall be against the rows that are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from msgspec import Struct

from tinyforge.manifest.changes import Change, changes
from tinyforge.model import Binding, Json, Trigger, Workload
from tinyforge.store.definition import sparse, text_of
from tinyforge.store.port import What

R = TypeVar("R", Trigger, Workload, Binding)
W = TypeVar("W")
KEPT = "no longer in the file; --prune removes it"
Row: TypeAlias = Trigger | Workload | Binding


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ADOPT = "adopt"
    UNCHANGED = "unchanged"  # shown only where there is something to say about it


class Difference(Struct, frozen=True, kw_only=True):
    what: What
    name: str
    action: Action
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


class Write(NamedTuple, Generic[R]):
    row: R
    text: str | None  # the new revision; None where the config is the same
    deleted: bool


class Step(NamedTuple, Generic[R]):
    """What becomes of one row: shown, written, or both."""

    difference: Difference
    write: Write[R] | None


class Side(Struct, Generic[R], frozen=True, kw_only=True):
    what: What
    owner: str
    wanted: Mapping[str, R]  # with the ids of the rows they replace
    found: Mapping[str, R]
    form: Callable[[R], Json]
    shown: Callable[[Json], Json]  # a form without what is secret in it

    def ids(self) -> dict[str, int]:
        """Return the ids of all rows that are or shall be, by name."""
        rows = (*self.found.values(), *self.wanted.values())
        return {row.name: row.id for row in rows}

    def steps(self, delete: Mapping[str, str]) -> Iterator[Step[R]]:
        """Yield what is not as it shall be; *delete*: the names of rows that go, each with why."""
        renamed = self._renamed()
        for name, row in self.wanted.items():
            step = self._step(row, self.found.get(name), renamed.get(name))
            if step is not None:
                yield step
        for name, row in self.found.items():
            if name in delete:
                gone = self._say(name, Action.DELETE, delete[name])
                yield Step(gone, Write(row, None, deleted=True))
            elif row.managed_by == self.owner and name not in self.wanted:
                yield Step(self._say(name, Action.UNCHANGED, KEPT), None)

    def again(self, name: str) -> Write[R]:
        """Return a write of the row as it is wanted, with a revision of its own."""
        row = self.wanted[name]
        return Write(row, text_of(self.form(row)), deleted=False)

    def _say(self, name: str, action: Action, note: str) -> Difference:
        return Difference(what=self.what, name=name, action=action, notes=(note,))

    def _step(self, row: R, found: R | None, old_name: str | None) -> Step[R] | None:
        if found is None:
            return self._create(row, _rename_notes(old_name))
        if text_of(found) == text_of(row):  # what is nearly always so, told quickly
            return None
        before, after = self.form(found), self.form(row)
        is_same = text_of(before) == text_of(after)
        if is_same and not found.broken and found.managed_by == self.owner:
            return None
        difference = Difference(
            what=self.what,
            name=row.name,
            action=Action.UPDATE if found.managed_by == self.owner else Action.ADOPT,
            changes=() if is_same else changes(self.shown(before), self.shown(after)),
            notes=tuple(self._notes(found)),
        )
        is_kept = is_same and not found.broken
        return Step(difference, Write(row, None if is_kept else text_of(after), deleted=False))

    def _create(self, row: R, notes: tuple[str, ...]) -> Step[R]:
        form = self.form(row)
        difference = Difference(
            what=self.what,
            name=row.name,
            action=Action.CREATE,
            changes=changes({}, sparse(self.shown(form))),
            notes=notes,
        )
        return Step(difference, Write(row, text_of(form), deleted=False))

    def _notes(self, found: R) -> Iterator[str]:
        if found.managed_by != self.owner:
            yield f"taken over from {found.managed_by}"
        if found.broken:
            yield f"is broken and will be written again: {found.broken}"

    def _renamed(self) -> Mapping[str, str]:
        """Return new name -> the one that vanished and had the same content."""
        gone = [
            row
            for name, row in self.found.items()
            if name not in self.wanted and row.managed_by == self.owner
        ]
        if not gone:
            return {}
        old_names = {text_of(self.form(row)): row.name for row in gone}
        new = (row for name, row in self.wanted.items() if name not in self.found)
        return {
            row.name: old_names[content]
            for row in new
            if (content := text_of(self.form(row))) in old_names
        }


def _rename_notes(old_name: str | None) -> tuple[str, ...]:
    if old_name is None:
        return ()
    rename = f"the same as {old_name!r}, which is no longer in the file"
    return (f"{rename}: a rename is a delete and a create, and history stays with the old name",)


def writes(steps: Iterable[Step[R]], make: Callable[..., W]) -> list[W]:
    """Return what of *steps* is written, each in the shape that *make* gives it."""
    found = (step.write for step in steps if step.write is not None)
    return [make(row=row, text=text, deleted=deleted) for row, text, deleted in found]
