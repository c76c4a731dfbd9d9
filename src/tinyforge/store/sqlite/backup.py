"""Copies of the file while it is served, and files put in its place: the old one or the new one."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import apsw
import msgspec

from tinyforge.clock import Moment, utc
from tinyforge.errors import DataInUse, NewerSchema, Refused, StoreUnavailable
from tinyforge.store.migrate import SCHEMA
from tinyforge.store.port.backups import BACKUP_FACT, RESTORED, Copy, Ended, Found, Mark, Step, Tell
from tinyforge.store.sqlite.connection import (
    DATABASE,
    open_reader,
    open_writer,
    said_of,
    sole_owner,
)
from tinyforge.store.sqlite.parts import ask
from tinyforge.store.sqlite.secrets import wanted_keys
from tinyforge.store.sqlite.store import SET_SCHEMA, bring_up_to_date, make_folder, schema_of

BUILT = "tinyforge.restoring"  # a folder beside the file; what a killed restore leaves is in it
PAGES = 2_000  # at once, 8 MiB
PIECE = 8 << 20
LOGS = ("-wal", "-shm")
INTERRUPT_ATTEMPTS = """
INSERT INTO attempts(run_id, n, owner, started_at, ended_at, outcome, error)
SELECT id, attempt, owner, coalesce(started_at, queued_at), max(?1, coalesce(started_at, 0)),
  'died', ?2
FROM runs WHERE state = 3 ON CONFLICT DO NOTHING"""
INTERRUPT = "UPDATE runs SET state = 8, ended_at = ?1, error = ?2 WHERE state IN (2, 3)"
GIVE_UP_EVENTS = """
INSERT INTO results(event_id, binding_id, outcome, reason)
SELECT e.id, b.id, 'quarantined', ?1 FROM events e
JOIN bindings b ON b.trigger_id = e.trigger_id AND b.deleted_at IS NULL
WHERE e.fanned_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.event_id = e.id AND r.binding_id = b.id)
ON CONFLICT DO NOTHING"""
FAN_OUT_NONE = "UPDATE events SET fanned_at = ?1 WHERE fanned_at IS NULL"
AUDIT = "SELECT id, at, actor, action, target, before, after, source FROM audit ORDER BY id"
KEEP_AUDIT = """
INSERT INTO audit(id, at, actor, action, target, before, after, source)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
GET_MARK = "SELECT value FROM facts WHERE name = ?"
NOT_A_BACKUP = "is no backup, or a broken one"


def copy_live(folder: Path, part: Path, tell: Tell) -> None:
    """Copy the file in *folder*, as of one moment, whoever serves it meanwhile."""
    path = folder / DATABASE
    if not path.exists():
        raise Refused(f"there is no {path}", "give the data folder of a server with --data")
    with said_of(path), closing(open_reader(path)) as source:
        source.execute("BEGIN")
        schema_of(source)  # the first read is the moment; later commits are none of ours
        with (
            said_of(part),
            closing(apsw.Connection(str(part))) as target,
            target.backup("main", source, "main") as copying,
        ):
            while not copying.done:
                copying.step(PAGES)
                done = copying.page_count - copying.remaining
                tell(Step(name="copied", done=done, total=copying.page_count))


def finish(part: Path, mark: Mark) -> Copy:
    """Mark a copy as a backup, check it, and have it on the disk as one file."""
    with said_of(part), closing(apsw.Connection(str(part))) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        connection.execute(SET_SCHEMA, (BACKUP_FACT, msgspec.json.encode(mark).decode()))
        _refuse_broken(connection, part)
        keys = wanted_keys(connection) if _has_secrets(connection) else ()
    _flush(part)
    return Copy(bytes=part.stat().st_size, keys=frozenset(keys))


@contextmanager
def part_of(to: Path) -> Iterator[Path]:
    """Give a file beside *to*, which takes its name in the end unless that is taken. Refused."""
    if to.exists():
        raise Refused(f"{to} is there already", "give another file with --to")
    part = to.with_name(f".{to.name}.part")
    try:
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise Refused(f"{part}: {problem.strerror}", "give another file with --to") from problem
    try:
        _take(handle, part)
        try:
            yield part
            os.link(part, to)
            _flush(to.parent)
        except FileExistsError:
            raise Refused(f"{to} is there already", "give another file with --to") from None
        finally:
            _clear(part)
    finally:
        os.close(handle)


def _take(handle: int, part: Path) -> None:
    """Begin anew, also where a backup was killed; Refused where one goes on."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(f"another backup writes {part}", "wait for its end") from None
    for end in ("-journal", *LOGS):  # SQLite would read it into the new file
        part.with_name(part.name + end).unlink(missing_ok=True)
    os.ftruncate(handle, 0)


def _clear(part: Path) -> None:
    for end in ("", "-journal", *LOGS):
        part.with_name(part.name + end).unlink(missing_ok=True)


def look_into(path: Path) -> Found:
    """Read what is to be restored, and change nothing of it. Refused, NewerSchema."""
    if not path.is_file():
        raise Refused(f"there is no file {path}", "give a file that tinyforge backup made")
    with closing(_open_alone(path)) as connection:
        try:
            schema, schema_min = schema_of(connection)
            keys = frozenset(wanted_keys(connection)) if _has_secrets(connection) else frozenset()
            mark = _mark_of(connection) if schema else None
            _refuse_broken(connection, path)
        except apsw.Error as problem:
            raise Refused(f"{path} {NOT_A_BACKUP}: {problem}", "give another") from problem
    if not schema:
        raise Refused(f"{path} {NOT_A_BACKUP}: it holds no tables of ours", "give another")
    if schema > SCHEMA and schema_min > SCHEMA:
        raise NewerSchema(schema, SCHEMA)
    return Found(schema=schema, mark=mark, keys=keys)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep servers off *folder*; Refused where one has it."""
    make_folder(folder)
    try:
        with sole_owner(folder):
            yield
    except DataInUse as problem:
        raise Refused(
            f"a server has {folder}", "stop it, and begin again: systemctl stop tinyforge"
        ) from problem


@contextmanager
def built_beside(folder: Path) -> Iterator[Path]:
    """Give a folder to build in, on the same disk, and take it away afterwards."""
    built = folder / BUILT
    shutil.rmtree(built, ignore_errors=True)
    make_folder(built)
    try:
        yield built
    finally:
        shutil.rmtree(built, ignore_errors=True)


def copy_file(source: Path, target: Path, tell: Tell) -> None:
    size, done = source.stat().st_size, 0
    with source.open("rb") as read, target.open("xb") as written:
        os.fchmod(written.fileno(), 0o600)
        while piece := read.read(PIECE):
            written.write(piece)
            done += len(piece)
            tell(Step(name="copied", done=done, total=size))


def prepare(path: Path, audit: Sequence[Sequence[object]], now: Moment) -> Ended:
    """Bring a copy up to date; what it had under way is over, and *audit* goes on in it."""
    with said_of(path), closing(open_writer(path)) as connection:
        bring_up_to_date(connection, path, now)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(INTERRUPT_ATTEMPTS, (now, RESTORED))
        connection.execute(INTERRUPT, (now, RESTORED))
        runs = connection.changes()
        connection.execute(GIVE_UP_EVENTS, (RESTORED,))
        connection.execute(FAN_OUT_NONE, (now,))
        events = connection.changes()
        connection.executemany(KEEP_AUDIT, audit)
        connection.execute("DELETE FROM facts WHERE name = ?", (BACKUP_FACT,))
        connection.execute("COMMIT")
    return Ended(runs=runs, events=events)


def settle(path: Path) -> None:
    """Have all of a file in the file itself, checked and on the disk: nothing is left beside it."""
    with said_of(path), closing(open_writer(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
        _refuse_broken(connection, path)
    _flush(path)


def audit_of(folder: Path) -> list[Sequence[object]]:
    """Return the audit of the file in *folder*; none where there is none, or nobody can read it."""
    path = folder / DATABASE
    with suppress(StoreUnavailable, apsw.Error):
        if path.exists():
            with closing(open_reader(path)) as connection:
                return list(ask(connection, AUDIT))
    return []


def put_in_place(folder: Path, built: Path, now: Moment) -> Path | None:
    """Put the settled file *built* where the old one is, at once; return where that is kept."""
    path = folder / DATABASE
    kept = None
    if path.exists():
        kept = path.with_name(f"{DATABASE}.before.{utc(now):%Y%m%dT%H%M%SZ}")
        _close_old(path, kept)
        kept.unlink(missing_ok=True)
        os.link(path, kept)
    built.rename(path)
    _flush(folder)
    return kept


def _close_old(path: Path, kept: Path) -> None:
    """Leave no log beside the old file, for it would be read into the new one."""
    with suppress(StoreUnavailable, apsw.Error), closing(open_writer(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    for end in LOGS:  # of a file that nobody can open
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(kept.with_name(kept.name + end))


def holds(folder: Path) -> bool:
    """Say whether there is a file of ours that is not new."""
    path = folder / DATABASE
    return path.exists() and path.stat().st_size > 0


def _open_alone(path: Path) -> apsw.Connection:
    """Open a file that nobody writes, wherever it lies: nothing is put beside it."""
    if path.with_name(f"{path.name}-wal").exists():
        raise Refused(
            f"{path} is a database in use: what is in {path.name}-wal would be lost",
            "restore a file that tinyforge backup made",
        )
    where = f"file:{quote(str(path.absolute()))}?immutable=1"
    try:
        connection = apsw.Connection(where, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)  # nobody vouches for the file
    except apsw.Error as problem:
        raise Refused(f"{path} cannot be read: {problem}", "let this user read it") from problem
    return connection


def _has_secrets(connection: apsw.Connection) -> bool:
    found = ask(connection, "SELECT count(*) FROM sqlite_schema WHERE name = 'secrets'")
    return bool(found[0][0])


def _mark_of(connection: apsw.Connection) -> Mark | None:
    rows = ask(connection, GET_MARK, (BACKUP_FACT,))
    try:
        return msgspec.json.decode(rows[0][0], type=Mark) if rows else None
    except (msgspec.MsgspecError, TypeError):
        return None


def _refuse_broken(connection: apsw.Connection, path: Path) -> None:
    wrong = [row[0] for row in ask(connection, "PRAGMA integrity_check(3)") if row[0] != "ok"]
    if wrong:
        raise Refused(f"{path} {NOT_A_BACKUP}: {wrong[0]}", "give another")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
