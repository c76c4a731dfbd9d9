"""Tokens and the audit. Each call asks anew: a replica may have ended its token just now."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

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
from tinyforge.store.postgres.connection import Session, text
from tinyforge.store.postgres.hot import storing
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.statements import unpacked

TOKEN = f"SELECT {PROOF_COLUMNS} FROM tokens"  # noqa: S608 - our own columns
MAKE = """
INSERT INTO tokens(
  id, name, prefix, role, triggers, workloads, made_at, made_by, expires_at, digest)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""
FORGET = "DELETE FROM tokens WHERE least(expires_at, revoked_at) < $1"
REVOKE = f"""
UPDATE tokens SET revoked_at = $2, revoked_by = $3 WHERE name = $1 AND revoked_at IS NULL
RETURNING {PROOF_COLUMNS}"""  # noqa: S608 - our own columns
USED = f"""
UPDATE tokens t SET used_at = b.at, used_from = b.source
FROM {unpacked("id", "at", "source text")}
WHERE t.id = b.id AND coalesce(t.used_at, b.at) <= b.at"""  # noqa: S608 - our own columns
RECORD = f"INSERT INTO audit({AUDIT_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"  # noqa: S608 - our own columns
AUDIT = f"SELECT {AUDIT_COLUMNS} FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2"  # noqa: S608 - our own columns


async def record(session: Session, entry: AuditEntry | None) -> None:
    """Append *entry*, if there is one, within the transaction of what it tells of."""
    if entry is not None:
        await session.do(RECORD, *entry_row(entry))


class AccessRows:
    _parts: Parts

    async def token_of(self, digest: bytes) -> Token | None:
        rows = await self._parts.database.ask(f"{TOKEN} WHERE digest = $1", digest)
        return token_of(rows[0]) if rows else None

    async def tokens(self) -> list[Token]:
        rows = await self._parts.database.ask(f"{TOKEN} ORDER BY id DESC")
        return list(map(token_of, rows))

    async def has_tokens(self) -> bool:
        return bool(await self._parts.database.ask("SELECT 1 FROM tokens LIMIT 1"))

    async def make_token(
        self, token: Token, digest: bytes, entry: AuditEntry, forget: Moment
    ) -> None:
        async def work(session: Session) -> None:
            await session.do(FORGET, forget)
            await session.do(MAKE, *token_row(token, digest))
            await record(session, entry)

        try:
            await self._parts.database.write(work)
        except asyncpg.UniqueViolationError as problem:
            raise Conflict(f"a token named {token.name!r} is there already") from problem

    async def revoke_token(self, name: str, entry: AuditEntry) -> Token:
        async def work(session: Session) -> Token:
            rows = await session.ask(REVOKE, name, entry.at, entry.actor)
            if not rows:
                raise NotFound("token", name)
            await record(session, entry)
            return token_of(rows[0])

        return await self._parts.database.write(work)

    async def note_uses(self, uses: Sequence[TokenUse]) -> None:
        await self._parts.database.do(USED, text(latest(uses)))

    async def record(self, entry: AuditEntry) -> None:
        await self._parts.database.write(lambda session: record(session, entry))

    async def accept_noted(self, draft: EventDraft, entry: AuditEntry, now: Moment) -> Event | None:
        (event,) = drafted(self._parts.ids, [draft], now)

        async def work(session: Session) -> Event | None:
            if event.id not in await storing(session, [event], now):
                return None
            await record(session, entry_of_fire(entry, event))
            return event

        return await self._parts.database.write(work)

    async def audit(self, before: int | None, limit: int) -> list[AuditEntry]:
        rows = await self._parts.database.ask(AUDIT, ABOVE_ALL if before is None else before, limit)
        return list(map(entry_of, rows))
