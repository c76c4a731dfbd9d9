"""Whatever another program puts into a row, every page about it can still be read."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.operations.house import House
from tests.web.asking import ask
from tinyforge.web.gate import Gate

VALUES: tuple[object, ...] = (
    None,
    "",
    "text; rm -rf /",
    b"\x00\xff\xfe",
    -1,
    2**63 - 1,
    1e308,
    "9" * 5_000,
    '{"x": ' + "9" * 30 + "}",
    '{"x": 1e999}',
    '{"x": "\\ud800"}',
    '{"interval": "10m", "x": 36893488147419103232}',
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 100_000 + "1" + "}" * 100_000,
    "x" * 1_048_576,
    "\x1b[31m\x00\u202e",
)
COLUMNS = {
    "triggers": ("name", "kind", "config", "enabled", "managed_by", "revision_id", "broken"),
    "workloads": ("name", "kind", "config", "queue", "timeout", "retry", "idempotent"),
    "bindings": ("name", "trigger_id", "workload_id", "rule", "enabled", "managed_by"),
    "timing": (
        "due_at",
        "decided_until",
        "last_fired_at",
        "base",
        "epoch",
        "since",
        "paused_at",
        "disabled_at",
        "opening",
    ),
}
LISTS = ("/triggers", "/workloads", "/bindings")
PAGES = (
    *("/events", "/runs", "/preview", "/simulate"),
    *("/doctor", "/verify", "/health", "/manifest/export"),
    *("/triggers/button", "/triggers/button/explain", "/workloads/site"),
)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("table", list(COLUMNS))
async def test_every_page_can_be_read(house: House, app: Gate, table: str, value: object) -> None:
    of_often = "SELECT id FROM triggers WHERE name = 'often'"
    row = {
        "triggers": f"id = ({of_often})",
        "timing": f"trigger_id = ({of_often})",
        "workloads": "name = 'site'",
        "bindings": "name = 'often.site'",
    }[table]
    for column in COLUMNS[table]:
        house.by_hand(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {row}", value)
        await house.pass_time(0)
        await read(house, app, column, LISTS)
    await read(house, app, "all", PAGES)


async def read(house: House, app: Gate, column: str, pages: Sequence[str]) -> None:
    for path in pages:
        answer = await ask(app, "GET", path)
        assert answer.status in (200, 404), (column, path, answer.body, house.happened[-1])
        json.loads(answer.body)
