"""The API with typed answers, and the door on the Unix socket."""

from __future__ import annotations

import os
import pwd
import socket as sockets
import sys
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode

from msgspec import MsgspecError, Raw, Struct, json

from tinyforge.cli.failure import CalledWrongly, CommandFailed, ServerDown
from tinyforge.cli.messages import LONGEST_LINE, Message, messages
from tinyforge.operations.views import Problem

T = TypeVar("T")
API = "/api/v1"
SOCKET = "tinyforge.sock"
PATIENCE = 300  # seconds for one answer; a verify of millions of windows takes a while
OK, BAD_REQUEST = 200, 400
WRONG = frozenset({BAD_REQUEST, 422})  # it cannot be meant: words, or a manifest, with mistakes
CONNECT_PATIENCE = 10
JSON_BODY: Mapping[str, str] = {"Content-Type": "application/json"}
Query = Mapping[str, str | int | None]


class Answer(Struct, frozen=True):
    status: int
    body: bytes


class Door(Protocol):
    """One of the ways in: the socket of a server, its address, or the file itself."""

    def ask(self, method: str, path: str, body: bytes | None) -> Answer: ...

    def listen(self, path: str, last_id: str, /) -> Iterator[bytes]:
        """Yield the lines of an answer that goes on; CommandFailed when it breaks off."""
        ...


class Reply(Generic[T]):
    """What came back: for programs as it is, for people read into its view."""

    def __init__(self, body: bytes, kind: type[T]) -> None:
        self.body = body
        self._kind = kind

    def read(self) -> T:
        try:
            return json.decode(self.body, type=self._kind)
        except (MsgspecError, ValueError) as problem:
            raise CommandFailed(
                f"the server's answer is not one that this program knows: {problem}",
                "tinyforge doctor",
            ) from problem


class Pile(Struct, frozen=True):
    """A page whose items stay as they came."""

    items: list[Raw]
    next: str | None = None


class Api:
    """Asks; raises CommandFailed with the server's own words where the answer is a problem."""

    def __init__(self, door: Door, *, live: bool) -> None:
        self._door = door
        self.live = live  # a server answers, and things go on

    def get(self, path: str, kind: type[T], query: Query | None = None) -> Reply[T]:
        return Reply(self._ask("GET", located(path, query), None), kind)

    def post(self, path: str, kind: type[T], body: Struct | None = None) -> Reply[T]:
        sent = json.encode(body) if body is not None else b"{}"
        return Reply(self._ask("POST", located(path), sent), kind)

    def stream(self, path: str, last_id: str) -> Iterator[Message]:
        """Yield what is told from now on, or after *last_id*, until the server ends it."""
        return messages(self._door.listen(API + path, last_id))

    def pages(self, path: str, query: Query, limit: int) -> Iterator[list[Raw]]:
        """Yield items, newest first, page by page, *limit* in all."""
        yield from self._pages(path, query, limit, "before")

    def rows(self, path: str, query: Query, limit: int = sys.maxsize) -> Iterator[list[Raw]]:
        """Yield items by name, page by page."""
        yield from self._pages(path, query, limit, "after")

    def _pages(self, path: str, query: Query, limit: int, cursor: str) -> Iterator[list[Raw]]:
        place: str | None = None
        while limit > 0:
            asked = {**query, cursor: place, "limit": min(limit, PAGE)}
            page = self.get(path, Pile, asked).read()
            yield page.items[:limit]
            limit -= len(page.items)
            place = page.next
            if place is None or not page.items:
                return

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        answer = self._door.ask(method, path, body)
        if answer.status < BAD_REQUEST:
            return answer.body
        raise failure_of(answer)


PAGE = 500  # items asked for at once


def located(path: str, query: Query | None = None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return f"{API}{path}?{urlencode(given)}" if given else API + path


def named(text: str) -> str:
    """Put a name or an id that a person typed into a path."""
    if text in {"", ".", ".."}:
        raise CalledWrongly(f"{text!r} is no name", "tinyforge trigger list shows the names")
    return quote(text, safe="")


def failure_of(answer: Answer) -> CommandFailed:
    try:
        problem = json.decode(answer.body, type=Problem)
    except (MsgspecError, ValueError):
        return CommandFailed(
            f"the server answered {answer.status} and nothing readable with it", "tinyforge doctor"
        )
    kind = CalledWrongly if answer.status in WRONG else CommandFailed
    said = problem.detail or problem.title
    return kind(said, problem.fix, problem.mistakes)


# --- the socket


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, patience: float) -> None:
        super().__init__("localhost", timeout=patience)
        self._path = path
        self._patience = patience

    def connect(self) -> None:
        sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        try:
            sock.settimeout(min(CONNECT_PATIENCE, self._patience))
            sock.connect(str(self._path))
            sock.settimeout(self._patience)
        except OSError:
            sock.close()
            raise
        self.sock = sock


class SocketDoor:
    """One connection, kept open."""

    def __init__(self, data: Path, patience: float = PATIENCE) -> None:
        self._path = data / SOCKET
        self._patience = patience
        self._connection = _UnixConnection(self._path, patience)

    def connect(self) -> None:
        """Raise ServerDown when nobody listens."""
        try:
            self._connection.connect()
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise ServerDown(str(self._path)) from None
        except PermissionError:
            raise not_yours(self._path) from None
        except OSError as problem:
            raise CommandFailed(
                f"{self._path}: {reason_of(problem)}", "give a shorter --data, or try again"
            ) from problem

    def ask(self, method: str, path: str, body: bytes | None) -> Answer:
        try:
            self._connection.request(method, path, body, JSON_BODY if body is not None else {})
            response = self._connection.getresponse()
            return Answer(response.status, response.read())
        except TimeoutError:
            raise CommandFailed(
                f"the server at {self._path} has not answered for {self._patience:g} s",
                "tinyforge doctor",
            ) from None
        except (HTTPException, OSError) as problem:
            raise CommandFailed(
                f"the server at {self._path} went away while it answered: {reason_of(problem)}",
                "look at the server's log, then try again",
            ) from problem

    def listen(self, path: str, last_id: str) -> Iterator[bytes]:
        self._connection.close()
        self.connect()
        try:
            self._connection.request("GET", path, None, listening(last_id))
            response = self._connection.getresponse()
            if response.status != OK:
                raise failure_of(Answer(response.status, response.read()))
            yield from lines_of(response)
        except (HTTPException, OSError) as problem:
            raise CommandFailed(
                f"the server at {self._path} went away: {reason_of(problem)}",
                "look at the server's log",
            ) from problem
        finally:
            self._connection.close()

    def close(self) -> None:
        self._connection.close()


def listening(last_id: str) -> Mapping[str, str]:
    """Return the headers of a request whose answer goes on."""
    told = {"Accept": "text/event-stream"}
    return {**told, "Last-Event-ID": last_id} if last_id else told


def lines_of(response: HTTPResponse) -> Iterator[bytes]:
    with response:
        while line := response.readline(LONGEST_LINE):
            yield line


def reason_of(problem: BaseException) -> str:
    return (problem.strerror if isinstance(problem, OSError) else "") or str(problem)


def not_yours(path: Path) -> CommandFailed:
    """Name whose it is, as far as that can be seen from outside."""
    owner = next(filter(None, map(_owner, (path, *path.absolute().parents))), "root")
    return CommandFailed(
        f"{path}: permission denied; it belongs to {owner} and you are {user(os.geteuid())}",
        f"sudo -u {owner} tinyforge …",
    )


def _owner(path: Path) -> str | None:
    try:
        return user(path.stat().st_uid)
    except OSError:
        return None


def user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"
