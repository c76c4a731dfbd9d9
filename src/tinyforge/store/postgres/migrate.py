"""Numbered SQL files, each applied with its record in one transaction, by one replica at a time."""

from __future__ import annotations

from importlib.resources import files

from tinyforge.errors import NewerSchema
from tinyforge.store.postgres.connection import Database, Session

SCHEMA = 1
SCHEMA_MIN = 1  # the oldest program that may still serve what this one writes
# Of the transaction and not of the session, so that a pooler may stand between.
LOCK = "SELECT pg_advisory_xact_lock(7238427310)"
IS_NEW = "SELECT to_regclass('facts') IS NULL"
GET_SCHEMA = "SELECT name, value::int FROM facts WHERE name IN ('schema', 'schema_min')"
SET_SCHEMA = """
INSERT INTO facts(name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2"""


async def bring_up_to_date(database: Database) -> None:
    """Apply what is missing. NewerSchema where a newer program has been here."""
    await database.write(_work)


async def _work(session: Session) -> None:
    await session.run(LOCK)
    found: dict[str, int] = {}
    if not await session.one(IS_NEW):
        found = dict(await session.ask(GET_SCHEMA))
    schema = found.get("schema", 0)
    if schema > SCHEMA:
        if found.get("schema_min", 0) > SCHEMA:
            raise NewerSchema(schema, SCHEMA)
        return
    folder = files("tinyforge.store.postgres") / "migrations"
    for name in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql")):
        if int(name[:4]) > schema:
            await session.run((folder / name).read_text())
            await session.do(SET_SCHEMA, "schema", str(int(name[:4])))
            await session.do(SET_SCHEMA, "schema_min", str(SCHEMA_MIN))
