"""A server's file with something of everything in it, also what only hands write there."""

from __future__ import annotations

from pathlib import Path

import apsw

from tests.engine.house import BEGIN, House, open_house
from tests.upgrade.make import AT, fill
from tinyforge.model import RunId
from tinyforge.store.port import LogPart
from tinyforge.store.sqlite.connection import DATABASE
from tinyforge.testing.clock import MovableClock

ODD_LINES = ["täglich 北京 🚀", "a\0b", "\x1b[31mred\x1b[0m", "\ud7ff\ue000", ""]
PUT = "INSERT INTO triggers(id, name, kind, config) VALUES"
ESCAPED = '{"a": "\\u0000"}'
# What a person may leave with a SQL prompt, and PostgreSQL has no place for.
BY_HAND = (
    "UPDATE triggers SET enabled = 'maybe' WHERE name = 'odd'",
    "UPDATE workloads SET idempotent = 5000000000 WHERE name = 'cron-work'",
    "UPDATE workloads SET retry = x'00ff' WHERE name = 'cron-work'",
    "UPDATE workloads SET timeout = CAST(x'c328' AS TEXT) WHERE name = 'button-work'",
    "UPDATE runs SET error = 'a' || char(0) || 'b' WHERE id = (SELECT max(id) FROM runs)",
    f"{PUT} (-7, 'low', 'manual', '{{')",
    f"{PUT} (9223372036854775807, 'high', 'nobody knows', '{ESCAPED}')",
    f"{PUT} (99, x'6f6666', 'manual', '{{}}')",
    f"{PUT} (98, '{'n' * 5000}', 'manual', '{{}}')",
    "INSERT INTO facts(name, value) VALUES ('note', 'ein Vermerk')",
    "INSERT INTO bindings(id, name, trigger_id, workload_id) VALUES (97, 'loose', 1, 2)",
    "UPDATE workloads SET place = 'host=web1,zone=b' WHERE name = 'often-work'",
    "UPDATE timing SET last_fired_at = NULL WHERE trigger_id = 4",
    "INSERT INTO secrets VALUES (96, 'trigger', 'käse', 'secret', x'01fffe00', 5)",
)
TOKEN = """
INSERT INTO tokens VALUES (5, 'ci', x'{sha256}', 'tft_abcd', 'deployer', '["push"]', '[]', {at},
  'local:me', {at} + 1, NULL, NULL, {at}, '192.0.2.1')"""
ENDPOINT = """
INSERT INTO endpoints SELECT id, x'{sha256}', NULL, x'00ff5c27', NULL, 1, 1, {at}, {at}, NULL, {at}, 7
FROM triggers WHERE name = 'often'"""
DELIVERED = (
    """
INSERT INTO deliveries VALUES (94, 1, 'done', {at}, {at}, 'accepted', NULL, 93, '{sha256}', 9, NULL,
  0, '{{"x-event": "push"}}')""",
    "INSERT INTO bodies VALUES (94, {at}, 4, x'28b52ffd')",
    "INSERT INTO contents VALUES (1, 'käse@sha256:{sha256}', {at}, 94)",
    "INSERT INTO decisions VALUES (94, 0, {at}, 'ignored', 'a pull', NULL)",
    "INSERT INTO earlier_results VALUES (93, 0, 92, 'not_matched', 'branch is dev, not main')",
    "INSERT INTO matches VALUES (91, NULL, 'push main matched')",
)
OPEN_EVENT = """
UPDATE events SET fanned_at = NULL, tries = 1 WHERE id = (SELECT max(id) FROM events)"""


async def leave_history(folder: Path) -> None:
    """Let a server work in *folder*, then hands; an event is left half done."""
    async with open_house(folder, MovableClock(BEGIN)) as house:
        await fill(house)
        await _write_odd_lines(house)
    others = (one.format(sha256="00ff" * 16, at=AT) for one in (ENDPOINT, TOKEN, *DELIVERED))
    for statement in (*BY_HAND, *others):
        by_hand(folder, statement)


async def _write_odd_lines(house: House) -> None:
    run = (await house.runs())[-1]
    await house.store.append_log([LogPart(RunId(run.id), 0, ODD_LINES)], AT)


def by_hand(folder: Path, statement: str) -> None:
    """Execute SQL as another program would."""
    connection = apsw.Connection(str(folder / DATABASE))
    try:
        connection.execute(statement)
    finally:
        connection.close()


def content(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return every cell of the file with its type, but for who served it last."""
    connection = apsw.Connection(str(folder / DATABASE))
    try:
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        names = [row[0] for row in tables if row[0] != "servers"]
        return {name: _cells(connection, name) for name in names}
    finally:
        connection.close()


def _cells(connection: apsw.Connection, table: str) -> list[tuple[object, ...]]:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    picked = ", ".join(f"typeof({name}), hex({name}), quote({name})" for name in columns)
    if table == "facts":  # one with a number is written by more than one statement
        picked = "name, CAST(value AS TEXT)"
    text_safe = picked.replace("quote(", "length(")
    return sorted(tuple(row) for row in connection.execute(f"SELECT {text_safe} FROM {table}"))
