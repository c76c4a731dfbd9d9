"""Who is let in: each call has a caller, and each route says what it asks of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias, cast

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope

from tinyforge.clock import SECOND, Clock, Micros
from tinyforge.errors import Refused, StoreUnavailable, Unproved
from tinyforge.observe.events import CallRefused, CallsRefused, Observe
from tinyforge.operations.admission import Admission
from tinyforge.operations.callers import Caller, Permission, local
from tinyforge.web.client_address import Networks, client_address, is_trusted

Connection: TypeAlias = ASGIConnection[BaseRouteHandler, object, object, State]

SAID_EACH: Final[Micros] = 10 * SECOND
LOOKED_EACH: Final = 0.5  # seconds, whether the token of a long answer still lives
LONGEST_SECRET: Final = 256  # bytes of the header
SCHEME: Final = b"bearer "
OPTIONS: Final = "HTTPRoute.create_options_handler."  # what Litestar adds by itself


class Seen(NamedTuple):
    source: str
    is_through_trusted: bool


class Knows(Protocol):
    """Tells a gate who calls."""

    async def caller_of(self, scope: HTTPScope) -> Caller:
        """Return who calls. Unproved, StoreUnavailable."""
        ...

    def seen(self, scope: HTTPScope) -> Seen:
        """Return where a call comes from, and whether a proxy may say so."""
        ...

    async def is_over(self, scope: HTTPScope) -> Unproved | None:
        """Return why a call that goes on would be refused by now; None: it would not."""
        ...


class LocalOnly:
    """Knows who comes over the Unix socket, or works on the file itself; nobody else."""

    async def caller_of(self, scope: HTTPScope) -> Caller:
        if caller := local_caller(scope):
            return caller
        fix = "curl --unix-socket DATA/tinyforge.sock http://localhost/api/v1/health"
        raise Unproved("missing", "this is for the Unix socket alone", fix)

    def seen(self, scope: HTTPScope) -> Seen:
        return Seen(client_address(scope, ()), False)

    async def is_over(self, _scope: HTTPScope) -> Unproved | None:
        return None


def local_caller(scope: HTTPScope) -> Caller | None:
    """Return whom the kernel names at the other end of a Unix socket."""
    actor = scope["state"].get("actor")
    return local(str(actor).removeprefix("local:")) if actor else None


@dataclass
class Keeper:
    """Finds out who calls. What it refuses is counted, and said in the log now and then."""

    admission: Admission
    clock: Clock
    observe: Observe
    trusted: Networks = ()
    _said_at: Micros | None = None
    _unsaid: int = 0

    async def caller_of(self, scope: HTTPScope) -> Caller:
        if caller := local_caller(scope):
            return caller
        source = client_address(scope, self.trusted)
        try:
            return await self._by_token(scope, source)
        except Unproved as refused:
            self._count(refused.reason, source)
            raise

    def seen(self, scope: HTTPScope) -> Seen:
        return Seen(client_address(scope, self.trusted), is_trusted(scope, self.trusted))

    async def is_over(self, scope: HTTPScope) -> Unproved | None:
        if local_caller(scope):
            return None
        try:
            await self._by_token(scope, client_address(scope, self.trusted))
        except Unproved as refused:
            return refused
        except StoreUnavailable:  # it was good a moment ago
            return None
        return None

    async def _by_token(self, scope: HTTPScope, source: str) -> Caller:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if not given:
            raise await self.admission.stranger()
        header = given[0] if len(given) == 1 and len(given[0]) <= LONGEST_SECRET else b""
        is_bearer = header[: len(SCHEME)].lower() == SCHEME
        secret = header[len(SCHEME) :].strip().decode("latin-1") if is_bearer else ""
        return await self.admission.caller_of(secret, source)

    def _count(self, reason: str, source: str) -> None:
        self.observe(CallRefused(reason=reason))
        self._unsaid += 1
        now = self.clock.monotonic()
        if self._said_at is None or now - self._said_at >= SAID_EACH:
            self.observe(CallsRefused(count=self._unsaid, reason=reason, source=source))
            self._said_at, self._unsaid = now, 0


def must_be_allowed(connection: Connection, handler: BaseRouteHandler) -> None:
    """Raise Forbidden where the caller lacks what the route asks for."""
    if _is_open(handler):
        return
    caller = cast("Caller", connection.scope["state"]["caller"])
    caller.must_allow(Permission(handler.opt["permission"]))


def refuse_undeclared(app: Litestar) -> None:
    """Refuse to serve a route that says nothing of who may call it."""
    undeclared = sorted(set(_undeclared(app)))
    if undeclared:
        raise Refused(
            f"routes that declare no permission: {', '.join(undeclared)}",
            'give each its opt={"permission": Permission.…}',
        )


def _undeclared(app: Litestar) -> Iterator[str]:
    for route in app.routes:
        handlers = route.route_handlers if isinstance(route, HTTPRoute) else [route.route_handler]
        for handler in handlers:
            if not _is_open(handler) and not isinstance(handler.opt.get("permission"), Permission):
                yield route.path


def _is_open(handler: BaseRouteHandler) -> bool:
    """Tell what tells nobody anything: which methods a path has."""
    return handler.fn.__qualname__.startswith(OPTIONS)
