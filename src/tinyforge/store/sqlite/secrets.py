"""What is stored sealed. Bytes travel in hex, for rows travel as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from tinyforge.model import TriggerId
from tinyforge.store.port import (
    Resealed,
    SealedCell,
    SealedTable,
    Secrecy,
    SecretRow,
    endpoint_context,
)
from tinyforge.store.secrets import another_key, cells_of, secret_of
from tinyforge.store.sqlite.parts import Parts, ask, text

SECRETS = """
SELECT id, what, owner, field, sealed, made_at FROM secrets WHERE id > ?1 ORDER BY id LIMIT ?2"""
ENDPOINTS = """
SELECT trigger_id, sealed FROM endpoints
WHERE trigger_id > ?1 AND sealed IS NOT NULL ORDER BY trigger_id LIMIT ?2"""
PUT = """
INSERT INTO secrets(id, what, owner, field, sealed, made_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5
FROM jsonb_each(?)"""
DROP = """
DELETE FROM secrets WHERE (id, what, owner) IN
  (SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(?))"""
RESEAL = """
UPDATE {0} SET sealed = b.after
FROM (SELECT value ->> 0 AS id, unhex(value ->> 1) AS before, unhex(value ->> 2) AS after
  FROM jsonb_each(?)) b
WHERE {0}.{1} = b.id AND {0}.sealed = b.before"""
KEYS: dict[SealedTable, str] = {"secrets": "id", "endpoints": "trigger_id"}
WHOLE = "length(sealed) >= 37 AND hex(substr(sealed, 1, 1)) = '01'"  # else a hand wrote it
WANTED = f"""
SELECT DISTINCT lower(hex(substr(sealed, 2, 8))) FROM secrets WHERE {WHOLE}
UNION
SELECT lower(hex(substr(sealed, 2, 8))) FROM endpoints WHERE {WHOLE}"""  # noqa: S608 - our own condition
CLAIM = "INSERT INTO facts(name, value) VALUES ('key_id', ?) ON CONFLICT DO NOTHING"
CLAIMED = "SELECT value FROM facts WHERE name = 'key_id'"
CLAIM_ANEW = "UPDATE facts SET value = ? WHERE name = 'key_id'"


class SecretRows:
    _parts: Parts

    async def secrets(self, after: int, limit: int) -> list[SecretRow]:
        rows = await self._parts.read(lambda db: ask(db, SECRETS, (after, limit)))
        return list(map(secret_of, rows))

    async def sealed_cells(self, table: SealedTable, after: int, limit: int) -> list[SealedCell]:
        if table == "secrets":
            found = await self.secrets(after, limit)
            return [SealedCell(table, row.id, row.context, row.sealed) for row in found]
        rows = await self._parts.read(lambda db: ask(db, ENDPOINTS, (after, limit)))
        return [
            SealedCell(table, number, endpoint_context(TriggerId(number)), sealed)
            for number, sealed in rows
        ]

    async def reseal(self, cells: Sequence[Resealed]) -> None:
        def work(db: apsw.Connection) -> None:
            for table, key in KEYS.items():
                rows = [
                    (cell.row_id, cell.before.hex(), cell.after.hex())
                    for cell in cells
                    if cell.table == table
                ]
                db.execute(RESEAL.format(table, key), (text(rows),))

        await self._parts.writer.submit(work)

    async def keys_wanted(self) -> frozenset[str]:
        return frozenset(await self._parts.read(wanted_keys))


def put_secrets(db: apsw.Connection, secrecy: Secrecy) -> None:
    if secrecy.keys:
        _claim(db, secrecy.keys)
    if secrecy.secrets:
        db.execute(PUT, (text([cells_of(row) for row in secrecy.secrets]),))
    if secrecy.disused:
        db.execute(DROP, (text(list(secrecy.disused)),))


def wanted_keys(db: apsw.Connection) -> list[str]:
    return [row[0] for row in ask(db, WANTED)]


def _claim(db: apsw.Connection, keys: Sequence[str]) -> None:
    db.execute(CLAIM, (keys[0],))
    claimed = ask(db, CLAIMED)[0][0]
    if claimed in keys:
        return
    if set(wanted_keys(db)).difference(keys):
        raise another_key(claimed)
    db.execute(CLAIM_ANEW, (keys[0],))  # nothing is left that the other key would open
