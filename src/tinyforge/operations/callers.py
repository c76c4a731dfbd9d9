"""Who calls, what they may do, and what they may see."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from tinyforge.errors import Forbidden, NotFound


class Permission(StrEnum):
    """What a route asks of its caller."""

    READ = "read"
    DEPLOY = "deploy"
    CONFIGURE = "configure"
    METRICS = "metrics"


class Role(StrEnum):
    """What a token was made for."""

    METRICS = "metrics"
    VIEWER = "viewer"
    DEPLOYER = "deployer"
    ADMIN = "admin"


HELD: Final[Mapping[Role, frozenset[Permission]]] = {  # the least first
    Role.METRICS: frozenset({Permission.METRICS}),
    Role.VIEWER: frozenset({Permission.READ}),
    Role.DEPLOYER: frozenset({Permission.READ, Permission.DEPLOY}),
    Role.ADMIN: frozenset(Permission),
}


def allows(role: Role, permission: Permission) -> bool:
    return permission in HELD[role]


def least(permission: Permission) -> Role:
    """Return the role that holds *permission* and the fewest others."""
    return next(role for role, held in HELD.items() if permission in held)


LOCAL: Final = "local"


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks. Names of None: all; else those alone, and what belongs to them."""

    actor: str  # local:root, token:NAME
    role: Role
    triggers: frozenset[str] | None = None
    workloads: frozenset[str] | None = None
    source: str = ""  # the address that it comes from, as far as that can be trusted

    @property
    def is_local(self) -> bool:
        """Whether it comes over the Unix socket, or is the server itself: it may name anything."""
        return self.source == LOCAL

    @property
    def is_narrowed(self) -> bool:
        return self.triggers is not None or self.workloads is not None

    def sees_trigger(self, name: str) -> bool:
        return self.triggers is None or name in self.triggers

    def sees_workload(self, name: str) -> bool:
        return self.workloads is None or name in self.workloads

    def sees_pair(self, trigger: str, workload: str) -> bool:
        """Tell whether a binding, a result or a run of the two is in sight: one of them is enough.

        Whoever may fire a trigger may see what that deploys, and the other way round.
        """
        if not self.is_narrowed:
            return True
        by_trigger = self.triggers is not None and trigger in self.triggers
        return by_trigger or (self.workloads is not None and workload in self.workloads)

    def must_allow(self, permission: Permission) -> None:
        """Raise Forbidden, naming the role that would do."""
        if not allows(self.role, permission):
            raise Forbidden(
                f"this needs the role {least(permission)}, and {self.actor} is {self.role}",
                f"ask an admin for a token: tinyforge token create --role {least(permission)}",
            )

    def must_see_trigger(self, name: str) -> None:
        """Raise NotFound, as if it were not there."""
        if not self.sees_trigger(name):
            raise NotFound("trigger", name)

    def must_see_workload(self, name: str) -> None:
        """Raise NotFound, as if it were not there."""
        if not self.sees_workload(name):
            raise NotFound("workload", name)

    def must_see_all(self, what: str) -> None:
        """Raise Forbidden where *what* tells of more than the caller's own."""
        if self.is_narrowed:
            raise Forbidden(
                f"{what} tells of everything, and {self.actor} is for named ones alone",
                "ask an admin for a token without --trigger and --workload",
            )


def local(user: str) -> Caller:
    """Return who comes over the Unix socket, or works on the file itself: an admin."""
    return Caller(actor=f"local:{user}", role=Role.ADMIN, source=LOCAL)


ITSELF: Final = Caller(actor="--config", role=Role.ADMIN, source=LOCAL)
"""The server, where it does what it was started with."""
