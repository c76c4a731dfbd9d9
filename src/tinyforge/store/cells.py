"""Config rows to records: every column may hold anything, for people write there too.

A column is read as its type and a harmless value: text and blobs as bytes, cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from tinyforge.clock import SECOND, Micros
from tinyforge.labels import Labels, read_labels
from tinyforge.model import (
    DEFAULT_TIMEOUT,
    Binding,
    BindingId,
    Json,
    Queue,
    Retry,
    RevisionId,
    Trigger,
    TriggerId,
    Workload,
    WorkloadId,
)
from tinyforge.schedule.decision import State
from tinyforge.schedule.spec import EARLIEST, LATEST
from tinyforge.schedule.words import duration
from tinyforge.store.port import Inspected, Timing

MOST_BYTES = 256 * 1024
DEEPEST = 64
SHOWN = 40
NAME_LENGTH = 63

TRIGGER = ("name", "kind", "config", "enabled", "managed_by", "revision_id", "broken")
TRIGGER_ONLY = (*TRIGGER, "proved_from", "deleted_at")
WORKLOAD = ("name", "kind", "config", "queue", "timeout", "retry", "idempotent", "place")
WORKLOAD_ONLY = (*WORKLOAD, "managed_by", "revision_id", "broken", "deleted_at")
BINDING = ("name", "trigger_id", "workload_id", "rule", "enabled")
BINDING_ONLY = (*BINDING, "managed_by", "revision_id", "broken", "deleted_at")
TIMING = (
    "due_at",
    "decided_until",
    "last_fired_at",
    "base",
    "opening",
    "epoch",
    "since",
    "revision_id",
    "paused_at",
    "disabled_at",
)

E = TypeVar("E")


class Cell(NamedTuple):
    kind: str  # SQLite's: null, integer, real, text or blob
    value: object


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    attempts: int = 1
    backoff: str = "10s"


def select(columns: Sequence[str], table: str) -> str:
    """Return the select list that reads *columns* of *table* as cells."""
    one = (
        "typeof({0}), CASE WHEN typeof({0}) IN ('text', 'blob')"
        # SQLite's substr makes NULL of a text without a byte
        f" THEN coalesce(substr(CAST({{0}} AS BLOB), 1, {MOST_BYTES + 1}), x'') ELSE {{0}} END"
    )
    return ", ".join(one.format(f"{table}.{column}") for column in columns)


class Reader:
    """Reads the cells of one row and collects what is wrong with them."""

    def __init__(self, columns: Sequence[str], values: Iterable[object]) -> None:
        walk: Iterator[object] = iter(values)
        self._cells = {name: Cell(str(next(walk)), next(walk)) for name in columns}
        self.problems: list[str] = []

    def text(self, column: str, default: str = "", *, optional: bool = False) -> str:
        cell = self._cells[column]
        if cell.kind == "null" and optional:
            return default
        raw = cell.value
        if cell.kind != "text" or not isinstance(raw, bytes):
            self._problem(column, "text")
            return default if raw is None else _shown(raw)
        if len(raw) > MOST_BYTES:
            self.problems.append(f"{column}: is longer than {MOST_BYTES // 1024} KiB; shorten it")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.problems.append(f"{column}: is not UTF-8; write it again")
            return raw[:SHOWN].decode(errors="replace")

    def name(self) -> str:
        found = self.text("name")
        if found and len(found) <= NAME_LENGTH and _is_name(found):
            return found
        self.problems.append(
            f"name: {found[:SHOWN]!r} is no name; use up to 63 of a-z 0-9 . _ - and begin with"
            " a letter or digit"
        )
        return found[:NAME_LENGTH]

    def integer(self, column: str) -> int | None:
        cell = self._cells[column]
        if cell.kind == "integer" and isinstance(cell.value, int):
            return cell.value
        if cell.kind != "null":
            self._problem(column, "a whole number or NULL")
        return None

    def moment(self, column: str) -> int | None:
        found = self.integer(column)
        if found is not None and not EARLIEST <= found <= LATEST:
            self._problem(column, "microseconds since 1970, from 1973 to 2999, or NULL")
            return None
        return found

    def flag(self, column: str) -> bool:
        cell = self._cells[column]
        if cell.kind == "integer" and cell.value in (0, 1):
            return bool(cell.value)
        self._problem(column, "0 or 1")
        return False

    def maybe_flag(self, column: str) -> bool | None:
        return None if self._cells[column].kind == "null" else self.flag(column)

    def mapping(self, column: str, *, optional: bool = False) -> Json:
        written = self.text(column, "{}", optional=optional)
        if len(written) > MOST_BYTES or any(p.startswith(f"{column}:") for p in self.problems):
            return {}
        try:
            found = msgspec.json.decode(written, type=dict[str, object])
        except (msgspec.MsgspecError, RecursionError) as problem:
            self.problems.append(f"{column}: is not a JSON object: {str(problem)[:100]}; mend it")
            return {}
        if is_deeper(found, DEEPEST):
            self.problems.append(f"{column}: is nested more than {DEEPEST} deep; flatten it")
            return {}
        return found

    def raw(self, column: str) -> object:
        return self._cells[column].value

    def is_null(self, column: str) -> bool:
        return self._cells[column].kind == "null"

    def _problem(self, column: str, wanted: str) -> None:
        cell = self._cells[column]
        shown = repr(_shown(cell.value)) if isinstance(cell.value, bytes) else _shown(cell.value)
        found = "NULL" if cell.kind == "null" else f"{cell.kind} {shown}"
        self.problems.append(f"{column}: holds {found}; write {wanted}")


def trigger_of(row: Sequence[object]) -> Inspected:
    read = Reader(TRIGGER_ONLY, row[1:])
    trigger = Trigger(
        id=TriggerId(_number(row[0])),
        name=read.name(),
        kind=read.text("kind"),
        config=read.mapping("config"),
        enabled=read.flag("enabled"),
        managed_by=read.text("managed_by", "api"),
        revision_id=_revision(read),
        broken=_broken(read),
    )
    read.moment("proved_from")
    gone = read.integer("deleted_at") is not None
    return Inspected(row=trigger, problems=read.problems, deleted=gone)


def workload_of(row: Sequence[object]) -> Inspected:
    read = Reader(WORKLOAD_ONLY, row[1:])
    workload = Workload(
        id=WorkloadId(_number(row[0])),
        name=read.name(),
        kind=read.text("kind"),
        config=read.mapping("config"),
        queue=_queue(read),
        timeout=_timeout(read),
        retry=_retry(read),
        idempotent=read.maybe_flag("idempotent"),
        on=_place(read),
        managed_by=read.text("managed_by", "api"),
        revision_id=_revision(read),
        broken=_broken(read),
    )
    gone = read.integer("deleted_at") is not None
    return Inspected(row=workload, problems=read.problems, deleted=gone)


def sound_workload(row: Sequence[object]) -> Workload:
    """Read a row that was found in order; ValueError or TypeError where it is not any more."""
    number, name, kind, config, queue, timeout, retry, idempotent, place, owner, revision = row
    rule = None if retry is None else msgspec.json.decode(_as_text(retry), type=Rule)
    return Workload(
        id=WorkloadId(_number(number)),
        name=_as_text(name),
        kind=_as_text(kind),
        config=msgspec.json.decode(_as_text(config), type=dict[str, object]),
        queue=Queue(_as_text(queue)),
        timeout=DEFAULT_TIMEOUT if timeout is None else duration(_as_text(timeout)),
        retry=Retry()
        if rule is None
        else Retry(attempts=rule.attempts, backoff=duration(rule.backoff)),
        idempotent=None if idempotent is None else bool(idempotent),
        on=() if place is None else read_labels(_as_text(place)),
        managed_by=_as_text(owner),
        revision_id=None if revision is None else RevisionId(_number(revision)),
    )


def _as_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text was expected")
    return value


def binding_of(row: Sequence[object]) -> Inspected:
    read = Reader(BINDING_ONLY, row[1:])
    binding = Binding(
        id=BindingId(_number(row[0])),
        name=_binding_name(read),
        trigger_id=TriggerId(_reference(read, "trigger_id")),
        workload_id=WorkloadId(_reference(read, "workload_id")),
        rule=read.mapping("rule", optional=True),
        enabled=read.flag("enabled"),
        managed_by=read.text("managed_by", "api"),
        revision_id=_revision(read),
        broken=_broken(read),
    )
    gone = read.integer("deleted_at") is not None
    return Inspected(row=binding, problems=read.problems, deleted=gone)


def timing_of(row: Sequence[object]) -> Timing:
    """Read trigger_id, the spec's text and the timing cells; an unreadable state is None."""
    read = Reader(TIMING, row[2:])
    last = read.raw("last_fired_at")
    state = _state(read, last)
    due_at = read.integer("due_at")
    return Timing(
        trigger_id=TriggerId(_number(row[0])),
        state=state,
        due_at=due_at,
        spec=None if row[1] is None else str(row[1]),
        revision_id=_revision(read),
        last_fired_by_hand=None if _is_moment(last) and state is not None else last,
    )


def _state(read: Reader, last: object) -> State | None:
    epoch, since, base = (read.integer(c) for c in ("epoch", "since", "base"))
    decided = read.integer("decided_until")
    resting = read.integer("paused_at"), read.integer("disabled_at")
    opening = read.integer("opening")
    if read.problems or epoch is None or since is None or base is None or decided is None:
        return None
    if not all(0 <= moment <= LATEST for moment in (since, base, decided)):
        return None
    return State(
        epoch=epoch,
        since=since,
        base=base,
        opening=opening,
        last_fired_at=last if isinstance(last, int) and _is_moment(last) else None,
        decided_until=decided,
        paused_at=resting[0],
        disabled_at=resting[1],
    )


def _is_moment(value: object) -> bool:
    return isinstance(value, int) and EARLIEST <= value <= LATEST


def timeout_text(timeout: Micros) -> str | None:
    return None if timeout == DEFAULT_TIMEOUT else f"{timeout // SECOND}s"


def retry_text(retry: Retry) -> str | None:
    if retry.attempts == 1:
        return None
    return msgspec.json.encode(
        Rule(attempts=retry.attempts, backoff=f"{retry.backoff // SECOND}s")
    ).decode()


def is_deeper(value: object, limit: int) -> bool:
    """Walk level by level, for what comes from outside may be nested without end."""
    level: list[object] = [value]
    for _ in range(limit + 1):
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if not inner:
            return False
        level = inner
    return True


def _queue(read: Reader) -> Queue:
    found = read.text("queue", "latest")
    if found in {queue.value for queue in Queue}:
        return Queue(found)
    read.problems.append(f"queue: {found[:SHOWN]!r} is none of latest, every, skip; choose one")
    return Queue.LATEST


def _timeout(read: Reader) -> Micros:
    if read.is_null("timeout"):
        return DEFAULT_TIMEOUT
    try:
        return duration(read.text("timeout"))
    except ValueError as problem:
        read.problems.append(f"timeout: {problem}")
        return DEFAULT_TIMEOUT


def _retry(read: Reader) -> Retry:
    if read.is_null("retry"):
        return Retry()
    try:
        rule = msgspec.json.decode(read.text("retry"), type=Rule)
        return Retry(attempts=rule.attempts, backoff=duration(rule.backoff))
    except (msgspec.MsgspecError, RecursionError, ValueError) as problem:
        read.problems.append(
            f'retry: {str(problem)[:100]}; write {{"attempts": 3, "backoff": "10s"}}'
        )
        return Retry()


def _place(read: Reader) -> Labels:
    if read.is_null("place"):
        return ()
    try:
        return read_labels(read.text("place"))
    except ValueError as problem:
        read.problems.append(f"place: {problem}")
        return ()


def _binding_name(read: Reader) -> str:
    """Read a name of `trigger.workload`, which may be twice as long as others."""
    found = read.text("name")
    if not found or len(found) > 2 * NAME_LENGTH + 1 or not _is_name(found):
        read.problems.append(f"name: {found[:SHOWN]!r} is no name; use a-z 0-9 . _ -")
    return found[: 2 * NAME_LENGTH + 1]


def _reference(read: Reader, column: str) -> int:
    found = read.integer(column)
    if found is None and read.is_null(column):
        read.problems.append(f"{column}: is NULL; write the id of a row")
    return 0 if found is None else found


def _revision(read: Reader) -> RevisionId | None:
    found = read.integer("revision_id")
    return None if found is None else RevisionId(found)


def _broken(read: Reader) -> str | None:
    """Read the one column that is only ours: whatever a hand wrote there is replaced."""
    return None if read.is_null("broken") else _shown(read.raw("broken"), 1_000)


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("a primary key is a whole number")
    return value


def _is_name(text: str) -> bool:
    return text[0] not in "._-" and all(
        c.isascii() and (c.islower() or c.isdigit() or c in "._-") for c in text
    )


def _shown(value: object, length: int = SHOWN) -> str:
    if isinstance(value, bytes):
        return value[:length].decode(errors="replace")
    return str(value)[:length]
