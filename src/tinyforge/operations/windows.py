"""What was decided of a schedule's windows, as the ledger has it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tinyforge.clock import rfc3339
from tinyforge.errors import NotFound
from tinyforge.ids import show
from tinyforge.model import Event
from tinyforge.operations.answers import DecidedView
from tinyforge.operations.callers import Caller
from tinyforge.operations.rendering import SKIPPED_BECAUSE, at_text
from tinyforge.operations.roles import Reads
from tinyforge.operations.views import Page
from tinyforge.store.port import LedgerPlace, SpanRow

CURSOR = re.compile(r"(-?\d{1,18})\.(\d{1,18})")


@dataclass(frozen=True)
class Windows:
    reads: Reads

    async def decided(
        self, caller: Caller, name: str, before: str | None = None, limit: int = 50
    ) -> Page[DecidedView]:
        """Return fires with what was folded into them, and skipped spans, newest window first."""
        caller.must_see_trigger(name)
        trigger, _ = await self.reads.trigger_named(name)
        found = await self.reads.ledger(trigger.id, _place(before), limit + 1)
        rows = [(_of_event(event), _fired(event)) for event in found.events]
        rows += [(LedgerPlace(row.newest, row.epoch), _skipped(row)) for row in found.spans]
        rows.sort(key=lambda one: one[0], reverse=True)
        last = rows[limit - 1][0] if len(rows) > limit else None
        return Page(
            items=[view for _, view in rows[:limit]],
            next=f"{last.window}.{last.epoch}" if last else None,
        )


def _place(before: str | None) -> LedgerPlace | None:
    if before is None:
        return None
    found = CURSOR.fullmatch(before)
    if found is None:
        raise NotFound("page of windows", before[:80])
    return LedgerPlace(int(found[1]), int(found[2]))


def _of_event(event: Event) -> LedgerPlace:
    return LedgerPlace(event.window or 0, event.epoch or 0)


def _fired(event: Event) -> DecidedView:
    return DecidedView(
        verdict="fired",
        window=rfc3339(event.window or 0),
        oldest=at_text(event.folded_from),
        count=None if event.folded is None else event.folded + 1,
        words=_folded_words(event.folded),
        event=show("evt", event.id),
        epoch=event.epoch or 0,
        decided_at=rfc3339(event.accepted_at),
        late_by_us=event.late_by,
    )


def _folded_words(folded: int | None) -> str:
    if folded == 0:
        return "it fired"
    return f"it fired, with {'many' if folded is None else folded} older ones folded into it"


def _skipped(row: SpanRow) -> DecidedView:
    return DecidedView(
        verdict="skipped",
        window=rfc3339(row.newest),
        oldest=rfc3339(row.oldest),
        count=row.count,
        reason=row.reason,
        words=SKIPPED_BECAUSE.get(row.reason, row.reason),
        epoch=row.epoch,
        decided_at=rfc3339(row.decided_at),
    )
