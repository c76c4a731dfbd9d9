"""What is stored sealed. Bytes travel in hex, for rows travel as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from tinyforge.model import TriggerId
from tinyforge.store.port import (
    Resealed,
    SealedCell,
    SealedTable,
    Secrecy,
    SecretRow,
    endpoint_context,
)
from tinyforge.store.postgres.connection import Session, text
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.statements import unpacked
from tinyforge.store.secrets import another_key, cells_of, secret_of

SECRETS = """
SELECT id, what, owner, field, sealed, made_at FROM secrets WHERE id > $1 ORDER BY id LIMIT $2"""
ENDPOINTS = """
SELECT trigger_id, sealed FROM endpoints
WHERE trigger_id > $1 AND sealed IS NOT NULL ORDER BY trigger_id LIMIT $2"""
COLUMNS = ("id", "what text", "owner text", "field text", "sealed text", "made_at")
PUT = f"""
INSERT INTO secrets(id, what, owner, field, sealed, made_at)
SELECT b.id, b.what, b.owner, b.field, decode(b.sealed, 'hex'), b.made_at
FROM {unpacked(*COLUMNS)} ORDER BY b.id"""  # noqa: S608 - our own columns
DROP = f"""
DELETE FROM secrets s USING {unpacked("id", "what text", "owner text")}
WHERE s.id = b.id AND s.what = b.what AND s.owner = b.owner"""  # noqa: S608 - our own columns
RESEAL = f"""
UPDATE {{0}} r SET sealed = decode(b.after, 'hex')
FROM {unpacked("id", "before text", "after text")}
WHERE r.{{1}} = b.id AND r.sealed = decode(b.before, 'hex')"""  # noqa: S608 - our own columns
KEYS: dict[SealedTable, str] = {"secrets": "id", "endpoints": "trigger_id"}
# Else a hand wrote it. In this order: the first byte of nothing is an error.
WHOLE = "CASE WHEN octet_length(sealed) >= 37 THEN get_byte(sealed, 0) = 1 END"
WANTED = f"""
SELECT encode(substring(sealed from 2 for 8), 'hex') FROM secrets WHERE {WHOLE}
UNION
SELECT encode(substring(sealed from 2 for 8), 'hex') FROM endpoints WHERE {WHOLE}"""  # noqa: S608 - our own condition
CLAIM = "INSERT INTO facts(name, value) VALUES ('key_id', $1) ON CONFLICT DO NOTHING"
CLAIMED = "SELECT value FROM facts WHERE name = 'key_id' FOR UPDATE"
CLAIM_ANEW = "UPDATE facts SET value = $1 WHERE name = 'key_id'"


class SecretRows:
    _parts: Parts

    async def secrets(self, after: int, limit: int) -> list[SecretRow]:
        return list(map(secret_of, await self._parts.database.ask(SECRETS, after, limit)))

    async def sealed_cells(self, table: SealedTable, after: int, limit: int) -> list[SealedCell]:
        if table == "secrets":
            found = await self.secrets(after, limit)
            return [SealedCell(table, row.id, row.context, row.sealed) for row in found]
        rows = await self._parts.database.ask(ENDPOINTS, after, limit)
        return [
            SealedCell(table, number, endpoint_context(TriggerId(number)), sealed)
            for number, sealed in rows
        ]

    async def reseal(self, cells: Sequence[Resealed]) -> None:
        async def work(session: Session) -> None:
            for table, key in KEYS.items():
                rows = [
                    (cell.row_id, cell.before.hex(), cell.after.hex())
                    for cell in cells
                    if cell.table == table
                ]
                if rows:
                    await session.do(RESEAL.format(table, key), text(rows))

        await self._parts.database.write(work)

    async def keys_wanted(self) -> frozenset[str]:
        return frozenset(row[0] for row in await self._parts.database.ask(WANTED))


async def put_secrets(session: Session, secrecy: Secrecy) -> None:
    if secrecy.keys:
        await _claim(session, secrecy.keys)
    if secrecy.secrets:
        await session.do(PUT, text(list(map(cells_of, secrecy.secrets))))
    if secrecy.disused:
        await session.do(DROP, text(list(secrecy.disused)))


async def _claim(session: Session, keys: Sequence[str]) -> None:
    await session.do(CLAIM, keys[0])
    claimed = await session.one(CLAIMED)
    if claimed in keys:
        return
    if {row[0] for row in await session.ask(WANTED)}.difference(keys):
        raise another_key(claimed)
    await session.do(CLAIM_ANEW, keys[0])  # nothing is left that the other key would open
