"""Endpoints: found by a digest, put with the config that they belong to."""

from __future__ import annotations

from collections.abc import Sequence

from tinyforge.model import Trigger, TriggerId
from tinyforge.store import cells
from tinyforge.store.endpoints import COLUMNS, endpoint_of, row_of
from tinyforge.store.port import EndpointRow, EndpointUse, EndpointWrite, FoundEndpoint
from tinyforge.store.postgres import statements as sql
from tinyforge.store.postgres.connection import Session, text
from tinyforge.store.postgres.parts import Parts
from tinyforge.store.postgres.reading import as_cells

SELECT = f"SELECT {', '.join(f'e.{column}' for column in COLUMNS)}"
ALIVE = "JOIN triggers r ON r.id = e.trigger_id AND r.deleted_at IS NULL"
CATALOG = f"{SELECT} FROM endpoints e {ALIVE} ORDER BY e.trigger_id"
OF_TRIGGERS = f"{SELECT} FROM endpoints e WHERE e.trigger_id = ANY($1::bigint[])"
AT = f"""
{SELECT}, r.id, {", ".join(f"r.{column}" for column in cells.TRIGGER_ONLY)}
FROM endpoints e {ALIVE} WHERE e.path_sha256 = $1"""

# Ids may be handed from one trigger to another, so all that change are free first.
TAKE_AWAY = """
DELETE FROM endpoints e WHERE e.trigger_id = ANY($1::bigint[])
OR NOT EXISTS (SELECT 1 FROM triggers r WHERE r.id = e.trigger_id AND r.deleted_at IS NULL)"""
PUT = f"""
INSERT INTO endpoints({", ".join(COLUMNS)})
SELECT b.trigger_id, decode(b.path_sha256, 'hex'), b.path, decode(b.sealed, 'hex'),
  b.written, b.unsigned, b.generated, b.made_at, b.first_used_at, b.second_used_at, b.refused_at,
  b.refused_size
FROM {
    sql.unpacked(
        *("trigger_id", "path_sha256 text", "path text", "sealed text", "written text"),
        *("unsigned int", "generated int", *COLUMNS[7:]),
    )
}"""  # noqa: S608 - our own columns
NOTE = f"""
UPDATE endpoints e SET first_used_at = coalesce(b.first, e.first_used_at),
  second_used_at = coalesce(b.second, e.second_used_at),
  refused_at = coalesce(b.refused, e.refused_at), refused_size = coalesce(b.size, e.refused_size)
FROM {sql.unpacked("trigger_id", "revision", "first", "second", "refused", "size")}
JOIN triggers t ON t.id = b.trigger_id AND t.revision_id IS NOT DISTINCT FROM b.revision
WHERE e.trigger_id = b.trigger_id"""  # noqa: S608 - our own columns


class EndpointRows:
    _parts: Parts

    async def endpoint_at(self, sha256: bytes) -> FoundEndpoint | None:
        for row in await self._parts.database.ask(AT, sha256):
            trigger_id, *rest = row[len(COLUMNS) :]
            trigger = cells.trigger_of((trigger_id, *as_cells(rest))).row
            if isinstance(trigger, Trigger):
                return FoundEndpoint(endpoint_of(row), trigger)
        return None

    async def endpoints_of(self, trigger_ids: Sequence[TriggerId]) -> dict[TriggerId, EndpointRow]:
        rows = await self._parts.database.ask(OF_TRIGGERS, list(trigger_ids))
        return {row.trigger_id: row for row in map(endpoint_of, rows)}

    async def note_endpoint_uses(self, uses: Sequence[EndpointUse]) -> None:
        in_order = sorted(uses, key=lambda use: use.trigger_id)
        await self._parts.database.do(NOTE, text(in_order))


async def put_endpoints(session: Session, writes: Sequence[EndpointWrite]) -> None:
    await session.do(TAKE_AWAY, [write.trigger_id for write in writes])
    rows = [row_of(write.row) for write in writes if write.row is not None]
    if rows:
        await session.do(PUT, text(rows))


async def all_endpoints(session: Session) -> list[EndpointRow]:
    return list(map(endpoint_of, await session.ask(CATALOG)))
