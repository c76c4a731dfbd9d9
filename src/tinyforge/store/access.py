"""Rows of tokens and of the audit, as both databases keep them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from tinyforge.ids import show
from tinyforge.model import Event
from tinyforge.store.port.access import AuditEntry, Token, TokenUse

Row: TypeAlias = tuple[Any, ...]

PROOF_COLUMNS = (
    "id, name, prefix, role, triggers, workloads, made_at, made_by, expires_at, revoked_at,"
    " revoked_by, used_at, used_from"
)
ABOVE_ALL = 2**63 - 1  # of ids
AUDIT_COLUMNS = "id, at, actor, action, target, before, after, source"

_names = msgspec.json.Decoder(list[str])


def token_of(row: Row) -> Token:
    (number, name, prefix, role, triggers, workloads, made_at, made_by) = row[:8]
    (expires_at, revoked_at, revoked_by, used_at, used_from) = row[8:]
    return Token(
        id=number,
        name=name,
        prefix=prefix,
        role=role,
        triggers=_read(triggers),
        workloads=_read(workloads),
        made_at=made_at,
        made_by=made_by,
        expires_at=expires_at,
        revoked_at=revoked_at,
        revoked_by=revoked_by,
        used_at=used_at,
        used_from=used_from,
    )


def token_row(token: Token, digest: bytes) -> Row:
    """Return the columns of a new token, its digest last."""
    return (
        token.id,
        token.name,
        token.prefix,
        token.role,
        _written(token.triggers),
        _written(token.workloads),
        token.made_at,
        token.made_by,
        token.expires_at,
        digest,
    )


def entry_of(row: Row) -> AuditEntry:
    number, at, actor, action, target, before, after, source = row
    return AuditEntry(
        id=number,
        at=at,
        actor=actor,
        action=action,
        target=target,
        before=before,
        after=after,
        source=source,
    )


def entry_row(entry: AuditEntry) -> Row:
    return (
        entry.id,
        entry.at,
        entry.actor,
        entry.action,
        entry.target,
        entry.before,
        entry.after,
        entry.source,
    )


def entry_of_fire(entry: AuditEntry, event: Event) -> AuditEntry:
    """Return *entry* with the event that a fire became."""
    return msgspec.structs.replace(entry, after=show("evt", event.id))


def latest(uses: Iterable[TokenUse]) -> list[TokenUse]:
    """Return the last use of each token, in the order of their ids."""
    found: dict[int, TokenUse] = {}
    for use in uses:
        if use.token_id not in found or use.at >= found[use.token_id].at:
            found[use.token_id] = use
    return [found[number] for number in sorted(found)]


def _read(names: str | None) -> Sequence[str] | None:
    """Read a list of names; what a hand has broken is a list of none."""
    try:
        return None if names is None else _names.decode(names)
    except (msgspec.MsgspecError, ValueError):
        return []


def _written(names: Sequence[str] | None) -> str | None:
    return None if names is None else msgspec.json.encode(names).decode()
