"""Tokens, and the audit of what was changed."""

from __future__ import annotations

from litestar import get, post
from litestar.params import JSONBody

from tinyforge.operations.credentials import AuditView, TokenMade, TokenRequest, TokenView
from tinyforge.operations.views import Page
from tinyforge.web.routes.parameters import CONFIGURE, Asker, Count, Doors, Name, Text


@get("/tokens", opt=CONFIGURE)
async def tokens(doors: Doors, caller: Asker) -> Page[TokenView]:
    """List tokens by name, without their secrets."""
    return await doors.tokens.find(caller)


@post("/tokens", opt=CONFIGURE)
async def create_token(doors: Doors, caller: Asker, data: JSONBody[TokenRequest]) -> TokenMade:
    """Create a token; its secret is in this answer alone."""
    return await doors.tokens.create(data, caller)


@post("/tokens/{name:str}/revoke", status_code=200, opt=CONFIGURE)
async def revoke_token(doors: Doors, caller: Asker, name: Name) -> TokenView:
    """Revoke a token, at once and on every replica."""
    return await doors.tokens.revoke(name, caller)


@get("/audit", opt=CONFIGURE)
async def audit(
    doors: Doors, caller: Asker, before: Text = None, limit: Count = 50
) -> Page[AuditView]:
    """Tell who changed what, newest first."""
    return await doors.audit.find(caller, before, limit)


ROUTES = (tokens, create_token, revoke_token, audit)
