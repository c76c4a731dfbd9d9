"""Tokens, by which calls prove who makes them, and the audit of what they changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from tinyforge.clock import Moment


class Token(Struct, frozen=True, kw_only=True):
    """What is known of a token, which is never the token itself. Names of None: all."""

    id: int
    name: str
    prefix: str  # its first letters, for people to tell it by
    role: str
    triggers: Sequence[str] | None = None
    workloads: Sequence[str] | None = None
    made_at: Moment
    made_by: str
    expires_at: Moment | None = None
    revoked_at: Moment | None = None
    revoked_by: str | None = None
    used_at: Moment | None = None
    used_from: str | None = None


class TokenUse(NamedTuple):
    token_id: int
    at: Moment
    source: str


class AuditEntry(Struct, frozen=True, kw_only=True):
    """Who changed what, from where, and from what to what."""

    id: int
    at: Moment
    actor: str
    action: str
    target: str
    before: str = ""
    after: str = ""
    source: str = ""


class Access(Protocol):
    """Nothing of this is remembered: what another replica has changed counts for the next call."""

    async def token_of(self, digest: bytes) -> Token | None:
        """Return the token with this SHA-256, also one that is over."""
        ...

    async def tokens(self) -> list[Token]:
        """Return all that are kept, the newest first."""
        ...

    async def has_tokens(self) -> bool:
        """Say whether a token was ever made, as far as that is kept."""
        ...

    async def make_token(
        self, token: Token, digest: bytes, entry: AuditEntry, forget: Moment
    ) -> None:
        """Store it, and forget what was over before *forget*. Conflict where its name is taken."""
        ...

    async def revoke_token(self, name: str, entry: AuditEntry) -> Token:
        """End it with *entry*, at its moment and by its actor. NotFound where no such one lives."""
        ...

    async def note_uses(self, uses: Sequence[TokenUse]) -> None:
        """Keep the last use of each; an older one than is known changes nothing."""
        ...

    async def record(self, entry: AuditEntry) -> None:
        """Append to the audit, from which nothing ever goes."""
        ...

    async def audit(self, before: int | None, limit: int) -> list[AuditEntry]:
        """Return entries below the id *before*, the newest first."""
        ...
