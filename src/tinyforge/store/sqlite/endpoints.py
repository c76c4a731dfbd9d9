"""Endpoints: found by a digest in the loop's thread, put with the config that they belong to."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from tinyforge.model import Trigger, TriggerId
from tinyforge.store import cells
from tinyforge.store.endpoints import COLUMNS, endpoint_of, row_of
from tinyforge.store.port import EndpointRow, EndpointUse, EndpointWrite, FoundEndpoint
from tinyforge.store.sqlite.parts import Parts, ask, text

SELECT = f"SELECT {', '.join(f'e.{column}' for column in COLUMNS)}"
ALIVE = "typeof(r.deleted_at) <> 'integer'"
CATALOG = f"{SELECT} FROM endpoints e JOIN triggers r ON r.id = e.trigger_id AND {ALIVE}"
OF_TRIGGERS = f"{SELECT} FROM endpoints e WHERE e.trigger_id IN (SELECT value FROM json_each(?))"  # noqa: S608 - our own columns
# Two statements, for the second is long, and of an id that nobody has it is never asked.
AT = f"{SELECT} FROM endpoints e WHERE e.path_sha256 = ?"
WITH_TRIGGER = f"""
SELECT r.id, {cells.select(cells.TRIGGER_ONLY, "r")} FROM triggers r WHERE r.id = ? AND {ALIVE}"""  # noqa: S608 - our own columns

# Ids may be handed from one trigger to another, so all that change are free first.
TAKE_AWAY = f"""
DELETE FROM endpoints WHERE trigger_id IN (SELECT value FROM json_each(?))
OR NOT EXISTS (SELECT 1 FROM triggers r WHERE r.id = trigger_id AND {ALIVE})"""  # noqa: S608 - our own condition
PUT = f"""
INSERT INTO endpoints({", ".join(COLUMNS)})
SELECT value ->> 0, unhex(value ->> 1), value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5,
  value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11
FROM jsonb_each(?)"""  # noqa: S608 - our own columns
NOTE = """
UPDATE endpoints SET first_used_at = coalesce(u.first, first_used_at),
  second_used_at = coalesce(u.second, second_used_at),
  refused_at = coalesce(u.refused, refused_at), refused_size = coalesce(u.size, refused_size)
FROM (SELECT value ->> 0 AS id, value ->> 1 AS revision, value ->> 2 AS first,
  value ->> 3 AS second, value ->> 4 AS refused, value ->> 5 AS size FROM jsonb_each(?)) u
JOIN triggers t ON t.id = u.id AND t.revision_id IS u.revision
WHERE endpoints.trigger_id = u.id"""


class EndpointRows:
    _parts: Parts

    async def endpoint_at(self, sha256: bytes) -> FoundEndpoint | None:
        for row in map(endpoint_of, self._parts.look(AT, (sha256,))):
            for columns in self._parts.look(WITH_TRIGGER, (row.trigger_id,)):
                trigger = cells.trigger_of(columns).row
                if isinstance(trigger, Trigger):
                    return FoundEndpoint(row, trigger)
        return None

    async def endpoints_of(self, trigger_ids: Sequence[TriggerId]) -> dict[TriggerId, EndpointRow]:
        rows = self._parts.look(OF_TRIGGERS, (text(list(trigger_ids)),))
        return {row.trigger_id: row for row in map(endpoint_of, rows)}

    async def note_endpoint_uses(self, uses: Sequence[EndpointUse]) -> None:
        noted = text(list(uses))

        def work(db: apsw.Connection) -> None:
            db.execute(NOTE, (noted,))

        await self._parts.writer.submit(work)


def put_endpoints(db: apsw.Connection, writes: Sequence[EndpointWrite]) -> None:
    db.execute(TAKE_AWAY, (text([write.trigger_id for write in writes]),))
    rows = [row_of(write.row) for write in writes if write.row is not None]
    if rows:
        db.execute(PUT, (text(rows),))


def all_endpoints(db: apsw.Connection) -> list[EndpointRow]:
    return list(map(endpoint_of, ask(db, CATALOG)))
