"""Sockets of our own. Apart from what answers on them: a start takes them before it can answer."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tinyforge.errors import DataInUse, Refused

SOCKET_NAME = "tinyforge.sock"
OWNER_ONLY = 0o177  # as a umask
LONGEST_PATH = 107  # bytes, of Linux
BACKLOG = 2_048
FIX = "give another {} HOST:PORT, or stop what listens there"


@contextmanager
def local_socket(folder: Path) -> Iterator[socket.socket]:
    """Listen on `folder/tinyforge.sock`, for its user alone; the file goes at the end.

    DataInUse where a server answers there; Refused where that path cannot be listened on.
    """
    path = folder / SOCKET_NAME
    _refuse_long(path)
    _clear(path, folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        _bind_private(listener, path)
        ours = path.lstat().st_ino
        try:
            yield listener
        finally:
            with suppress(FileNotFoundError):
                if path.lstat().st_ino == ours:
                    path.unlink()


@contextmanager
def tcp_socket(host: str, port: int, flag: str = "--listen") -> Iterator[socket.socket]:
    """Listen on *host* and *port*, as *flag* says; port 0 takes a free one."""
    address, fix = f"{host}:{port}", FIX.format(flag)
    try:
        family, kind, *_, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as problem:
        raise Refused(f"{address} is no address of this machine: {problem.strerror}", fix) from None
    with socket.socket(family, kind) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(where)
            listener.listen(BACKLOG)
        except OSError as problem:
            raise Refused(f"cannot listen on {address}: {_reason(problem)}", fix) from None
        yield listener


def address_of(listener: socket.socket) -> str:
    """Return `HOST:PORT` of a TCP socket, as `--listen` takes it."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _refuse_long(path: Path) -> None:
    size = len(os.fsencode(path))
    if size > LONGEST_PATH:
        raise Refused(
            f"{path} is {size} bytes long, and a socket's path has at most {LONGEST_PATH}",
            "give a --data with a shorter path",
        )


def _clear(path: Path, folder: Path) -> None:
    """Remove what a server that died left there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Refused(f"{path} is there and is no socket", f"move it away: mv {path} {path}.old")
    if _answers(path):
        raise DataInUse(str(folder))
    path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        try:
            caller.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except PermissionError:
            return True
    return True


def _bind_private(listener: socket.socket, path: Path) -> None:
    before = os.umask(OWNER_ONLY)
    try:
        listener.bind(str(path))
    except OSError as problem:
        raise Refused(f"cannot listen on {path}: {_reason(problem)}", "tinyforge doctor") from None
    finally:
        os.umask(before)
    listener.listen(BACKLOG)


def _reason(problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        return "something else listens there"
    return problem.strerror or str(problem)
