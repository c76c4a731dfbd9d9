"""What people see of tokens and of the audit."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tinyforge.operations.views import View


class TokenRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without names it is for everything; with some of either, for those alone."""

    role: str  # metrics, viewer, deployer or admin
    name: str = ""  # empty: one is made up
    expires: str = ""  # how long it lasts, such as 30d; empty: until it is revoked
    triggers: Sequence[str] = ()
    workloads: Sequence[str] = ()


class TokenView(View, frozen=True, kw_only=True):
    """Names of null: all."""

    id: str
    name: str
    prefix: str  # the token's first letters
    role: str
    state: str  # live, expired or revoked
    triggers: Sequence[str] | None = None
    workloads: Sequence[str] | None = None
    made_at: str
    made_by: str
    expires_at: str | None = None
    revoked_at: str | None = None
    revoked_by: str | None = None
    used_at: str | None = None  # up to a minute old
    used_from: str | None = None


class TokenMade(View, frozen=True, kw_only=True):
    """*secret* is the token itself: it is shown here, and never again."""

    secret: str
    token: TokenView


class AuditView(View, frozen=True, kw_only=True):
    id: str
    at: str
    actor: str
    action: str
    target: str
    before: str = ""
    after: str = ""
    source: str = ""  # an address; `local`: the Unix socket, or the file itself
