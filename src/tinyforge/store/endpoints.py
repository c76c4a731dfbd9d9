"""Rows of the table of endpoints to records, and back; what a config makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.model import TriggerId
from tinyforge.references import Secret
from tinyforge.sealing import Keyring
from tinyforge.store.port import EndpointRow, EndpointWrite, endpoint_context, path_digest

Row: TypeAlias = tuple[Any, ...]
NewPath: TypeAlias = Callable[[int], str]  # of so many random bytes

SIGNED_BYTES, UNSIGNED_BYTES = 16, 32

TAKEN = "an endpoint is taken by another trigger"
COLUMNS = (
    *("trigger_id", "path_sha256", "path", "sealed", "written", "unsigned", "generated", "made_at"),
    *("first_used_at", "second_used_at", "refused_at", "refused_size"),
)


def endpoint_of(row: Row) -> EndpointRow:
    (trigger, sha256, path, sealed, written, unsigned, generated, made) = row[:8]
    (first, second, refused, size) = row[8:12]
    return EndpointRow(
        trigger_id=TriggerId(trigger),
        sha256=bytes(sha256),
        path=path,
        sealed=None if sealed is None else bytes(sealed),
        written=written,
        unsigned=bool(unsigned),
        generated=bool(generated),
        made_at=made,
        used=(first, second),
        refused_at=refused,
        refused_size=size,
    )


def row_of(endpoint: EndpointRow) -> tuple[object, ...]:
    """Return the columns in their order; bytes in hex, for rows travel as JSON."""
    return (
        endpoint.trigger_id,
        endpoint.sha256.hex(),
        endpoint.path,
        None if endpoint.sealed is None else endpoint.sealed.hex(),
        endpoint.written,
        int(endpoint.unsigned),
        int(endpoint.generated),
        endpoint.made_at,
        *endpoint.used,
        endpoint.refused_at,
        endpoint.refused_size,
    )


class EndpointDraft(Struct, frozen=True, kw_only=True):
    """An endpoint as it shall be, with what is still to be sealed. It does not show that."""

    row: EndpointRow
    secret: Secret | None = None

    def written(self, keyring: Keyring, now: Moment) -> EndpointWrite:
        """Return what is to be stored; one without a time of its own is made now."""
        row = self.row
        if self.secret is not None:
            plain = self.secret.reveal().encode()
            row = replace(row, sealed=keyring.seal(plain, endpoint_context(row.trigger_id)))
        return EndpointWrite(
            trigger_id=row.trigger_id, row=row if row.made_at else replace(row, made_at=now)
        )


def drafted(trigger_id: TriggerId, path: str, *, unsigned: bool, generated: bool) -> EndpointDraft:
    """Return a new endpoint; of an unsigned sender *path* is a secret."""
    row = EndpointRow(
        trigger_id=trigger_id,
        sha256=path_digest(path),
        path=None if unsigned else path,
        unsigned=unsigned,
        generated=generated,
        made_at=0,
    )
    return EndpointDraft(row=row, secret=Secret(path) if unsigned else None)


def kept_or_new(
    found: EndpointRow | None, trigger_id: TriggerId, *, unsigned: bool, new_path: NewPath
) -> EndpointDraft | None:
    """Follow a config that says nothing new: None where the endpoint that there is stays as it is.

    One that was open for anybody to read is no secret that an unsigned sender could use.
    """
    if found is None or (unsigned and not found.unsigned):
        path = new_path(UNSIGNED_BYTES if unsigned else SIGNED_BYTES)
        return drafted(trigger_id, path, unsigned=unsigned, generated=True)
    return None if found.unsigned == unsigned else EndpointDraft(row=replace(found, unsigned=False))
