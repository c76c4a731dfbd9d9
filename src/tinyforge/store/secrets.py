"""Rows of sealed secrets to records and back, and what both stores say of a wrong key."""

from __future__ import annotations

from typing import Any, TypeAlias

from tinyforge.errors import Refused
from tinyforge.store.port import SecretRow

Row: TypeAlias = tuple[Any, ...]


def secret_of(row: Row) -> SecretRow:
    number, what, owner, field, sealed, made_at = row
    return SecretRow(
        id=number, what=what, owner=owner, field=field, sealed=bytes(sealed), made_at=made_at
    )


def cells_of(row: SecretRow) -> tuple[object, ...]:
    """Return the columns in their order; bytes in hex, for rows travel as JSON."""
    return (row.id, row.what, row.owner, row.field, row.sealed.hex(), row.made_at)


def another_key(wanted: str) -> Refused:
    return Refused(
        f"the database is sealed with the key {wanted}, which this server does not have",
        "give every server the same key file: TINYFORGE_KEY_FILE",
    )
