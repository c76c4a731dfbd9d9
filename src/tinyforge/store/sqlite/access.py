"""Tokens and the audit. A proof is looked up in the loop's thread: one row by its digest."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from tinyforge.clock import Moment
from tinyforge.errors import Conflict, NotFound
from tinyforge.model import Event, EventDraft
from tinyforge.store.access import (
    ABOVE_ALL,
    AUDIT_COLUMNS,
    PROOF_COLUMNS,
    entry_of,
    entry_of_fire,
    entry_row,
    latest,
    token_of,
    token_row,
)
from tinyforge.store.drafts import drafted
from tinyforge.store.port.access import AuditEntry, Token, TokenUse
from tinyforge.store.sqlite.hot import storing
from tinyforge.store.sqlite.parts import Parts, ask

TOKEN = f"SELECT {PROOF_COLUMNS} FROM tokens"  # noqa: S608 - our own columns
MAKE = """
INSERT INTO tokens(
  id, name, prefix, role, triggers, workloads, made_at, made_by, expires_at, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
FORGET = "DELETE FROM tokens WHERE min(coalesce(expires_at, ?1), coalesce(revoked_at, ?1)) < ?1"
REVOKE = f"""
UPDATE tokens SET revoked_at = ?2, revoked_by = ?3 WHERE name = ?1 AND revoked_at IS NULL
RETURNING {PROOF_COLUMNS}"""  # noqa: S608 - our own columns
USED = """
UPDATE tokens SET used_at = ?2, used_from = ?3 WHERE id = ?1 AND coalesce(used_at, ?2) <= ?2"""
RECORD = f"INSERT INTO audit({AUDIT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own columns
AUDIT = f"SELECT {AUDIT_COLUMNS} FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2"  # noqa: S608 - our own columns


def record(db: apsw.Connection, entry: AuditEntry | None) -> None:
    """Append *entry*, if there is one, within the transaction of what it tells of."""
    if entry is not None:
        db.execute(RECORD, entry_row(entry))


class AccessRows:
    _parts: Parts

    async def token_of(self, digest: bytes) -> Token | None:
        rows = self._parts.look(f"{TOKEN} WHERE digest = ?", (digest,))
        return token_of(rows[0]) if rows else None

    async def tokens(self) -> list[Token]:
        rows = await self._parts.read(lambda db: ask(db, f"{TOKEN} ORDER BY id DESC"))
        return list(map(token_of, rows))

    async def has_tokens(self) -> bool:
        return bool(self._parts.look("SELECT 1 FROM tokens LIMIT 1"))

    async def make_token(
        self, token: Token, digest: bytes, entry: AuditEntry, forget: Moment
    ) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute(FORGET, (forget,))
            try:
                db.execute(MAKE, token_row(token, digest))
            except apsw.ConstraintError as problem:
                raise Conflict(f"a token named {token.name!r} is there already") from problem
            record(db, entry)

        await self._parts.writer.submit(work)

    async def revoke_token(self, name: str, entry: AuditEntry) -> Token:
        def work(db: apsw.Connection) -> Token:
            rows = ask(db, REVOKE, (name, entry.at, entry.actor))
            if not rows:
                raise NotFound("token", name)
            record(db, entry)
            return token_of(rows[0])

        return await self._parts.writer.submit(work)

    async def note_uses(self, uses: Sequence[TokenUse]) -> None:
        rows = latest(uses)

        def work(db: apsw.Connection) -> None:
            db.executemany(USED, rows)

        await self._parts.writer.submit(work, background=True)

    async def record(self, entry: AuditEntry) -> None:
        await self._parts.writer.submit(lambda db: record(db, entry))

    async def accept_noted(self, draft: EventDraft, entry: AuditEntry, now: Moment) -> Event | None:
        (event,) = drafted(self._parts.ids, [draft], now)
        store = storing([event], now)

        def work(db: apsw.Connection) -> Event | None:
            if event.id not in store(db):
                return None
            record(db, entry_of_fire(entry, event))
            return event

        return await self._parts.writer.submit(work)

    async def audit(self, before: int | None, limit: int) -> list[AuditEntry]:
        values = (ABOVE_ALL if before is None else before, limit)
        rows = await self._parts.read(lambda db: ask(db, AUDIT, values))
        return list(map(entry_of, rows))
