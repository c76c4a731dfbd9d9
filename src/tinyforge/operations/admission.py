"""Who calls: a token is turned into its caller, and its use is kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tinyforge.clock import MINUTE, Clock
from tinyforge.errors import StoreUnavailable, Unproved
from tinyforge.operations.callers import Caller, Role
from tinyforge.operations.tokens import BEGINNING, digest_of, state_of
from tinyforge.store.port import Access, Token, TokenUse

FORM: Final = re.compile(rf"{BEGINNING}[A-Za-z0-9_-]{{43}}", re.ASCII)
LOOKED_UP_AT_ONCE: Final = 2  # by strangers too, who must not have all of a database's connections
STORED_EACH: Final = MINUTE
FIRST: Final = "tinyforge token create --role admin"
ANOTHER: Final = "ask an admin for a token, and send it: Authorization: Bearer tft_…"


@dataclass
class Admission:
    """Asks the store about each call, so a token that was revoked anywhere is over at once."""

    store: Access
    clock: Clock
    _uses: dict[int, TokenUse] = field(default_factory=dict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOOKED_UP_AT_ONCE))
    _has_any: bool = False
    _never: asyncio.Event = field(default_factory=asyncio.Event)

    async def caller_of(self, secret: str, source: str) -> Caller:
        """Return who calls with this token. Unproved, StoreUnavailable."""
        token = await self._token_of(secret)
        now = self.clock.now()
        if token is None:
            raise _unproved("unknown")
        if (state := state_of(token, now)) != "live":
            raise _unproved(state)
        self._uses[token.id] = TokenUse(token.id, now, source)
        return _caller(token, source)

    async def stranger(self) -> Unproved:
        """Return what to say to a call without a token: how to get one, or the first of all."""
        if not self._has_any:  # once there is one, floods of strangers ask the database nothing
            async with self._turns:
                self._has_any = await self.store.has_tokens()
        if self._has_any:
            return _unproved("missing")
        problem = "there is no token yet; the first is made on the server's machine"
        return Unproved("missing", problem, FIRST)

    async def run(self) -> None:
        """Keep the last uses, each minute and at the end, until cancelled."""
        try:
            while True:
                await self.clock.wait(self._never, STORED_EACH)
                await self.keep_uses()
        finally:
            await self.keep_uses()

    async def keep_uses(self) -> None:
        """Store the last use of each token since the last time; one that cannot be is forgotten."""
        uses, self._uses = self._uses, {}
        if uses:
            with suppress(StoreUnavailable):
                await self.store.note_uses(list(uses.values()))

    async def _token_of(self, secret: str) -> Token | None:
        if not FORM.fullmatch(secret):
            raise _unproved("malformed")
        async with self._turns:
            return await self.store.token_of(digest_of(secret))


def _caller(token: Token, source: str) -> Caller:
    if token.role not in list(Role):  # a hand wrote it
        raise _unproved("unknown")
    triggers, workloads = _names(token.triggers), _names(token.workloads)
    if triggers is not None or workloads is not None:
        triggers, workloads = triggers or frozenset(), workloads or frozenset()
    return Caller(
        actor=f"token:{token.name}",
        role=Role(token.role),
        triggers=triggers,
        workloads=workloads,
        source=source,
    )


def _names(names: Sequence[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _unproved(reason: str) -> Unproved:
    problem = {
        "missing": "this needs a token",
        "malformed": f"this is no token: one is {BEGINNING} and 43 letters",
        "unknown": "nobody knows this token",
        "expired": "this token has expired",
        "revoked": "this token was revoked",
    }[reason]
    return Unproved(reason, problem, ANOTHER)
