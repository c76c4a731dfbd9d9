"""The audit: what people changed. Every operation that changes something leaves one entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import msgspec

from tinyforge.clock import Clock, Moment, rfc3339
from tinyforge.ids import show
from tinyforge.manifest.side import Action, Difference
from tinyforge.operations.callers import Caller, Permission
from tinyforge.operations.credentials import AuditView
from tinyforge.operations.refusals import id_of
from tinyforge.operations.views import Page
from tinyforge.store.port import Access, AuditEntry

LONGEST_TARGET = 200  # characters
LONGEST_TEXT = 1_000  # of what was before, and after


class Store(Access, Protocol):
    def new_id(self, now: Moment) -> int: ...


@dataclass(frozen=True)
class Auditor:
    store: Store
    clock: Clock

    def entry(
        self, caller: Caller, action: str, target: str, before: str = "", after: str = ""
    ) -> AuditEntry:
        """Return an entry for a store's method that records it with the change itself."""
        now = self.clock.now()
        return AuditEntry(
            id=self.store.new_id(now),
            at=now,
            actor=caller.actor,
            action=action,
            target=_cut(target, LONGEST_TARGET),
            before=_cut(before, LONGEST_TEXT),
            after=_cut(after, LONGEST_TEXT),
            source=caller.source,
        )

    async def note(
        self, caller: Caller, action: str, target: str, before: str = "", after: str = ""
    ) -> None:
        """Record what was changed a moment ago, or will be in a moment."""
        await self.store.record(self.entry(caller, action, target, before, after))

    async def find(
        self, caller: Caller, before: str | None = None, limit: int = 50
    ) -> Page[AuditView]:
        """Return entries, newest first."""
        caller.must_allow(Permission.CONFIGURE)
        found = await self.store.audit(id_of("audit", before) if before else None, limit)
        return Page(
            items=[_view(entry) for entry in found],
            next=show("aud", found[-1].id) if len(found) == limit else None,
        )


def digests(differences: Sequence[Difference]) -> tuple[str, str]:
    """Return the SHA-256 of everything that is changed, as it was and as it will be."""
    known = (one for one in differences if one.action is not Action.CREATE)
    return _digest(map(_before, known)), _digest(map(_after, differences))


def _digest(rows: Iterable[object]) -> str:
    return f"sha256:{sha256(msgspec.json.encode(list(rows))).hexdigest()}"


def _before(one: Difference) -> object:
    fields = [(field.field, field.before) for field in one.changes if field.before is not None]
    return one.what, one.name, fields


def _after(one: Difference) -> object:
    fields = [(field.field, field.after) for field in one.changes if field.after is not None]
    return one.what, one.name, one.action, fields


def _view(entry: AuditEntry) -> AuditView:
    return AuditView(
        id=show("aud", entry.id),
        at=rfc3339(entry.at),
        actor=entry.actor,
        action=entry.action,
        target=entry.target,
        before=entry.before,
        after=entry.after,
        source=entry.source,
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
