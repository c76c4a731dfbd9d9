"""The user that a command runs as."""

from __future__ import annotations

import os
import pwd

from msgspec import Struct

from tinyforge.errors import DeployFailed


class Account(Struct, frozen=True, kw_only=True):
    """A user with its group and its supplementary groups: all three are set, or none."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()


def account(name: str | None) -> Account:
    """Return the account of this name, without one the server's own; raise DeployFailed."""
    if name is None:
        return _own()
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        problem = f"no user named {name!r} on this machine; correct `user`, or create it"
        raise DeployFailed(problem, retryable=False) from None
    found = _account(entry)
    if not found.is_ours and os.geteuid() != 0:
        own = _own().name
        problem = f"cannot run as {name}: the server runs as {own}; only root may change the user"
        raise DeployFailed(problem, retryable=False)
    return found


def _own() -> Account:
    uid = os.geteuid()
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:  # a container may run as a number that has no name
        return _account(pwd.struct_passwd((str(uid), "", uid, os.getegid(), "", "/", "/bin/sh")))


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(
        name=entry.pw_name,
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        groups=tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)),
        home=entry.pw_dir or "/",
        shell=entry.pw_shell or "/bin/sh",
    )
