"""What `tinyforge token …` does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from tinyforge.cli.client import named
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column, Row
from tinyforge.operations.credentials import TokenMade, TokenRequest, TokenView
from tinyforge.operations.views import Page

COLUMNS = (
    Column("TOKEN"),
    Column("BEGINS", whole=True, leave_out=2),
    Column("ROLE", whole=True),
    Column("FOR"),
    Column("STATE", whole=True, state=True),
    Column("MADE", whole=True, leave_out=4),
    Column("BY", leave_out=5),
    Column("EXPIRES", whole=True, leave_out=1),
    Column("USED", whole=True, leave_out=3),
    Column("FROM", leave_out=6),
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Terms:
    """How long a token lasts, and for what."""

    expires: Annotated[
        str, Parameter(help="How long it lasts, such as 30d. [default: until it is revoked]")
    ] = ""
    trigger: Annotated[
        tuple[str, ...], Parameter(help="Only for this trigger; may be repeated.")
    ] = ()
    workload: Annotated[
        tuple[str, ...], Parameter(help="Only for this workload; may be repeated.")
    ] = ()


NO_TERMS = Terms()


def create(
    *,
    role: Annotated[str, Parameter(help="viewer, deployer, admin, or metrics.")],
    name: Annotated[str, Parameter(help="What people call it. [default: one is made up]")] = "",
    terms: Terms = NO_TERMS,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    asked = TokenRequest(
        role=role,
        name=name,
        expires=terms.expires,
        triggers=terms.trigger,
        workloads=terms.workload,
    )
    with reach(out, Offline.WRITE) as api:
        reply = api.post("/tokens", TokenMade, asked)
    if shared.json:
        return out.raw(reply.body)
    made = reply.read()
    out.hint(f"{made.token.name}, {_words(out, made.token)}; it is shown this once:")
    out.line(made.secret)
    out.next("tinyforge token list")
    return 0


def list_(*, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        reply = api.get("/tokens", Page[TokenView])
    if shared.json:
        return out.raw(reply.body)
    if not out.table(COLUMNS, (_row(out, token) for token in reply.read().items)):
        out.hint("no tokens yet")
        out.next("tinyforge token create --role admin")
    return 0


def revoke(token: str, /, *, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.WRITE) as api:
        reply = api.post(f"/tokens/{named(token)}/revoke", TokenView)
    if shared.json:
        return out.raw(reply.body)
    out.line(f"{reply.read().name} is revoked: no server takes it any more")
    return 0


def _row(out: Screen, token: TokenView) -> Row:
    return (
        token.name,
        token.prefix,
        token.role,
        _reach(token),
        token.state,
        out.when(token.made_at),
        token.made_by,
        out.when(token.expires_at),
        out.when(token.used_at),
        token.used_from or "-",
    )


def _words(out: Screen, token: TokenView) -> str:
    until = f" until {out.when(token.expires_at)}" if token.expires_at else ""
    return f"role {token.role}, for {_reach(token)}{until}"


def _reach(token: TokenView) -> str:
    if token.triggers is None and token.workloads is None:
        return "everything"
    names = [f"trigger {name}" for name in token.triggers or ()]
    names += [f"workload {name}" for name in token.workloads or ()]
    return ", ".join(names)
