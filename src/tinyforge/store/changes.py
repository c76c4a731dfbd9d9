"""Rows of triggers, workloads and bindings, and their revisions, as one change writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from tinyforge.clock import Moment
from tinyforge.labels import show_labels
from tinyforge.store import cells
from tinyforge.store.port import BindingWrite, TriggerWrite, What, WorkloadWrite

W = TypeVar("W", TriggerWrite, WorkloadWrite, BindingWrite)


class Revisions:
    """New revisions of one change. Rows put in by hand may have the id of another noun's row."""

    def __init__(self, new_id: Callable[[], int]) -> None:
        self._new_id = new_id
        self.rows: list[tuple[int, str, int, str]] = []
        self.ended: list[tuple[What, int]] = []
        self.of_triggers: dict[int, int] = {}

    def add(self, what: What, row_id: int, written: str | None, *, deleted: bool) -> int | None:
        if deleted or written is not None:
            self.ended.append((what, row_id))
        if deleted or written is None:
            return None
        number = self._new_id()
        self.rows.append((number, what, row_id, written))
        if what == "trigger":
            self.of_triggers[row_id] = number
        return number


def trigger_rows(
    writes: Sequence[TriggerWrite], revisions: Revisions, now: Moment
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for write in _deleted_first(writes):
        t = write.row
        revision = revisions.add("trigger", t.id, write.text, deleted=write.deleted)
        own = (t.id, t.name, t.kind, _text(t.config), int(t.enabled), t.managed_by)
        rows.append((*own, revision or t.revision_id, t.broken, now if write.deleted else None))
    return rows


def workload_rows(
    writes: Sequence[WorkloadWrite], revisions: Revisions, now: Moment
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for write in _deleted_first(writes):
        w = write.row
        revision = revisions.add("workload", w.id, write.text, deleted=write.deleted)
        common = (w.queue, cells.timeout_text(w.timeout), cells.retry_text(w.retry), w.idempotent)
        place = show_labels(w.on) or None
        own = (w.id, w.name, w.kind, _text(w.config), *common, place, w.managed_by)
        rows.append((*own, revision or w.revision_id, w.broken, now if write.deleted else None))
    return rows


def binding_rows(
    writes: Sequence[BindingWrite], revisions: Revisions, now: Moment
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for write in _deleted_first(writes):
        b = write.row
        revision = revisions.add("binding", b.id, write.text, deleted=write.deleted)
        rule = _text(b.rule) if b.rule else None
        own = (b.id, b.name, b.trigger_id, b.workload_id, rule, int(b.enabled), b.managed_by)
        rows.append((*own, revision or b.revision_id, b.broken, now if write.deleted else None))
    return rows


def _deleted_first(writes: Sequence[W]) -> Iterable[W]:
    """Order *writes*: a name is free for its next row only after the row before has gone."""
    return sorted(writes, key=lambda write: not write.deleted)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
