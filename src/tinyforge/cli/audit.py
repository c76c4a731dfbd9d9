"""What `tinyforge audit …` does."""

from __future__ import annotations

import re

from tinyforge.cli.lists import Limit, items, raw_list
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column, Row
from tinyforge.operations.credentials import AuditView

COLUMNS = (
    Column("AT", whole=True),
    Column("WHO"),
    Column("FROM", leave_out=3),
    Column("DID", whole=True),
    Column("TO"),
    Column("BEFORE", leave_out=2),
    Column("AFTER", leave_out=1),
)
HASH = re.compile(r"\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b")


def list_(*, limit: Limit = 50, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        pages = api.pages("/audit", {}, limit)
        if shared.json:
            return raw_list(out, pages)
        if not out.table(COLUMNS, (_row(out, one) for one in items(pages, AuditView))):
            out.hint("nobody has changed anything yet")
    return 0


def _row(out: Screen, entry: AuditView) -> Row:
    return (
        out.when(entry.at),
        entry.actor,
        entry.source or "-",
        entry.action,
        entry.target,
        _brief(entry.before),
        _brief(entry.after),
    )


def _brief(said: str) -> str:
    """Let a hash be as long as tells it from others; `--json` has the whole."""
    return HASH.sub(r"\1…", said) or "-"
