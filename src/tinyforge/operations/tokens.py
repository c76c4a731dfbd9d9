"""Tokens: made, listed and revoked by admins. Only its SHA-256 is kept of one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from tinyforge.clock import DAY, MINUTE, Clock, Micros, Moment, rfc3339
from tinyforge.errors import Conflict, InvalidConfig, NotFound, Refused
from tinyforge.ids import show
from tinyforge.operations.audit import Auditor
from tinyforge.operations.callers import Caller, Permission, Role
from tinyforge.operations.commands import command
from tinyforge.operations.credentials import TokenMade, TokenRequest, TokenView
from tinyforge.operations.rendering import at_text
from tinyforge.operations.views import Page
from tinyforge.schedule.words import duration
from tinyforge.store.port import Access, Config, Token

BEGINNING: Final = "tft_"
SECRET_BYTES = 32
SHOWN = len(BEGINNING) + 4  # letters by which people tell tokens apart
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
SHORTEST: Micros = MINUTE
LONGEST: Micros = 3_650 * DAY
MOST_TOKENS = 1_000
MOST_NAMES = 100  # of triggers, and of workloads
KEPT: Micros = 90 * DAY  # after it is over


class Store(Access, Config, Protocol):
    """Tokens, and the rows that they may be narrowed to."""


def digest_of(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def state_of(token: Token, now: Moment) -> str:
    """Return live, expired or revoked."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= now:
        return "expired"
    return "live"


@dataclass(frozen=True)
class Tokens:
    store: Store
    auditor: Auditor
    clock: Clock

    async def find(self, caller: Caller) -> Page[TokenView]:
        """Return those that live, and those that were over lately, newest first."""
        caller.must_allow(Permission.CONFIGURE)
        now = self.clock.now()
        return Page(items=[token_view(token, now) for token in await self.store.tokens()])

    async def create(self, request: TokenRequest, caller: Caller) -> TokenMade:
        """Make a token, whose secret is in the answer alone. InvalidConfig, NotFound, Conflict."""
        caller.must_allow(Permission.CONFIGURE)
        now = self.clock.now()
        role = _role(request.role)
        secret = BEGINNING + secrets.token_urlsafe(SECRET_BYTES)
        triggers, workloads = await self._names(request, role)
        token = Token(
            id=self.store.new_id(now),
            name=_name(request.name) or f"{role}-{secrets.token_hex(3)}",
            prefix=secret[:SHOWN],
            role=role.value,
            triggers=triggers,
            workloads=workloads,
            made_at=now,
            made_by=caller.actor,
            expires_at=_expiry(request.expires, now),
        )
        await self._refuse_many(now)
        entry = self.auditor.entry(caller, "create_token", token.name, after=_words(token))
        try:
            await self.store.make_token(token, digest_of(secret), entry, now - KEPT)
        except Conflict as taken:
            fix = f"{command('token', 'revoke', token.name)}, or give another --name"
            raise Refused(str(taken), fix) from None
        return TokenMade(secret=secret, token=token_view(token, now))

    async def revoke(self, name: str, caller: Caller) -> TokenView:
        """End a token: the next call with it is refused, at every replica. NotFound, Refused."""
        caller.must_allow(Permission.CONFIGURE)
        entry = self.auditor.entry(caller, "revoke_token", name, "live", "revoked")
        try:
            return token_view(await self.store.revoke_token(name, entry), self.clock.now())
        except NotFound:
            await self._refuse_revoked(name)
            raise

    async def _refuse_revoked(self, name: str) -> None:
        """Raise Refused where the newest token of that name is revoked."""
        for token in await self.store.tokens():
            if token.name == name and token.revoked_at is not None:
                since = f"since {rfc3339(token.revoked_at)}, by {token.revoked_by}"
                raise Refused(f"{name} is revoked already, {since}", "tinyforge token list")

    async def _names(
        self, request: TokenRequest, role: Role
    ) -> tuple[Sequence[str] | None, Sequence[str] | None]:
        """Return what it is narrowed to: names of one noun alone leave none of the other."""
        if not request.triggers and not request.workloads:
            return None, None
        if role not in (Role.VIEWER, Role.DEPLOYER):
            problem = f"the role {role} reaches beyond triggers and workloads; narrow a deployer"
            raise InvalidConfig("token", problem, "role")
        if max(len(request.triggers), len(request.workloads)) > MOST_NAMES:
            raise InvalidConfig("token", f"at most {MOST_NAMES} names are taken", "triggers")
        for trigger in request.triggers:
            await self.store.trigger_named(trigger)
        for workload in request.workloads:
            await self.store.workload_named(workload)
        return sorted(set(request.triggers)), sorted(set(request.workloads))

    async def _refuse_many(self, now: Moment) -> None:
        live = [one for one in await self.store.tokens() if state_of(one, now) == "live"]
        if len(live) >= MOST_TOKENS:
            problem = f"there are {MOST_TOKENS:,} already; revoke one: tinyforge token revoke NAME"
            raise InvalidConfig("token", problem)


def token_view(token: Token, now: Moment) -> TokenView:
    return TokenView(
        id=show("tok", token.id),
        name=token.name,
        prefix=token.prefix,
        role=token.role,
        state=state_of(token, now),
        triggers=token.triggers,
        workloads=token.workloads,
        made_at=rfc3339(token.made_at),
        made_by=token.made_by,
        expires_at=at_text(token.expires_at),
        revoked_at=at_text(token.revoked_at),
        revoked_by=token.revoked_by,
        used_at=at_text(token.used_at),
        used_from=token.used_from,
    )


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        known = ", ".join(Role)
        raise InvalidConfig("token", f"{text[:40]!r} is none of {known}", "role") from None


def _name(text: str) -> str:
    if text and not NAME.fullmatch(text):
        problem = f"{text[:80]!r} is no name; write a-z, 0-9, `.`, `_` and `-`, up to 63 letters"
        raise InvalidConfig("token", problem, "name")
    return text


def _expiry(text: str, now: Moment) -> Moment | None:
    if not text:
        return None
    try:
        length = duration(text)
    except ValueError as problem:
        raise InvalidConfig("token", str(problem), "expires") from None
    if not SHORTEST <= length <= LONGEST:
        raise InvalidConfig("token", f"{text}: write 1m to 3650d, for example 30d", "expires")
    return now + length


def _words(token: Token) -> str:
    """Say what a token is good for, in one line."""
    parts = [token.role]
    parts += [f"triggers {', '.join(token.triggers)}"] if token.triggers else []
    parts += [f"workloads {', '.join(token.workloads)}"] if token.workloads else []
    parts += [f"until {rfc3339(token.expires_at)}"] if token.expires_at is not None else []
    return "; ".join(parts)
