"""`python -m benchmarks.senders`: who calls a webhook endpoint, in a process of its own.

It reads a plan as JSON from its input, and prints what it saw as JSON. Nothing of the server is
imported: it must cost little beside what is measured.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import resource
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle
from typing import NamedTuple

HERE = "127.0.0.1"
PATIENCE = 30.0  # seconds for an answer
SIZE = b"content-length: "
END = b"\r\n\r\n"
SECOND = 1.0


class Plan(NamedTuple):
    """What to do. *rate*: requests per second; 0: each when the one before it is answered."""

    port: int
    paths: list[str]
    secret: str
    count: int
    connections: int
    rate: float
    name: str  # of this process, for ids that nobody else has


class Seen(NamedTuple):
    began: float  # seconds, of the machine's monotonic clock
    ended: float
    statuses: dict[str, int]
    took: list[float]  # milliseconds, from the moment that it was due


def payload() -> bytes:
    """Return a push as GitHub tells it, of three commits and with all that we do not read."""
    site = "https://api.example.org/repos/acme/site"
    repository = {f"{what}_url": f"{site}/{what}" for what in WORDS.split()}
    commits = [
        {
            "id": hashlib.sha256(bytes([n])).hexdigest()[:40],
            "message": "Say what is wrong, and how to mend it\n\nMore of it, as people write.",
            "timestamp": "2026-01-05T12:00:00+01:00",
            "author": {"name": "Ann", "email": "ann@example.org", "username": "ann"},
            "added": [f"site/pages/{n}.html"],
            "removed": [],
            "modified": [f"site/style/{n}.css", "README.md"],
        }
        for n in range(3)
    ]
    return json.dumps(
        {
            "ref": "refs/heads/main",
            "before": hashlib.sha256(b"before").hexdigest()[:40],
            "after": hashlib.sha256(b"after").hexdigest()[:40],
            "created": False,
            "deleted": False,
            "forced": False,
            "repository": {"id": 1, "full_name": "acme/site", **repository},
            "pusher": {"name": "ann", "email": "ann@example.org"},
            "sender": {"login": "ann", **repository},
            "commits": commits,
            "head_commit": commits[-1],
        },
        separators=(",", ":"),
    ).encode()


WORDS = """
archive assignees blobs branches collaborators comments commits compare contents contributors
deployments downloads events forks git hooks issue_events issues keys labels languages merges
milestones notifications pulls releases stargazers statuses subscribers tags teams trees
"""


def requests(plan: Plan) -> Iterator[bytes]:
    """Yield signed deliveries, each with an id of its own."""
    body = payload()
    signature = hmac.new(plan.secret.encode(), body, hashlib.sha256).hexdigest()
    heads = cycle(
        [
            f"POST {path} HTTP/1.1\r\nhost: {HERE}\r\naccept: */*\r\n"
            "user-agent: GitHub-Hookshot/benchmark\r\ncontent-type: application/json\r\n"
            f"x-github-event: push\r\nx-hub-signature-256: sha256={signature}\r\n"
            f"content-length: {len(body)}\r\nx-github-delivery: {plan.name}-"
            for path in plan.paths
        ]
    )
    end = END + body
    for n in range(plan.count):
        yield next(heads).encode() + b"%d" % n + end


class Caller:
    """One connection; it has at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HERE, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._read = b""

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.socket.sendall(request)

    def status(self) -> str:
        """Read; return the status once the answer is whole, else nothing."""
        self._read += self.socket.recv(65_536)
        end = self._read.find(END)
        if end < 0:
            return ""
        at = self._read.find(SIZE) + len(SIZE)
        size = int(self._read[at : self._read.find(b"\r", at)])
        if len(self._read) < end + len(END) + size:
            return ""
        status, self._read = self._read[9:12].decode(), b""
        return status


class Calls:
    """All connections of one process, and what was answered."""

    def __init__(self, plan: Plan) -> None:
        callers = [Caller(plan.port) for _ in range(plan.connections)]
        self.by_number = {one.socket.fileno(): one for one in callers}
        self.idle = deque(callers)
        self.statuses: Counter[str] = Counter()
        self.took: list[float] = []
        self._poll = select.epoll()
        for number in self.by_number:
            self._poll.register(number, select.EPOLLIN)

    def hear(self, wait: float) -> None:
        """Take the answers that come within *wait* seconds."""
        for number, _ in self._poll.poll(wait):
            caller = self.by_number[number]
            if status := caller.status():
                self.statuses[status] += 1
                self.took.append((time.monotonic() - caller.due) * 1e3)
                self.idle.append(caller)

    def all_answered(self) -> None:
        until = time.monotonic() + PATIENCE
        while len(self.idle) < len(self.by_number) and time.monotonic() < until:
            self.hear(SECOND)


def flood(plan: Plan) -> Seen:
    """Send the next request of each connection when the one before is answered."""
    calls, began = Calls(plan), time.monotonic()
    for request in requests(plan):
        while not calls.idle:
            calls.hear(PATIENCE)
        calls.idle.popleft().send(request, time.monotonic())
    calls.all_answered()
    return Seen(began, time.monotonic(), dict(calls.statuses), calls.took)


def steady(plan: Plan) -> Seen:
    """Send each request at its own moment, or as soon after it as a connection is free."""
    calls, began = Calls(plan), time.monotonic()
    for n, request in enumerate(requests(plan)):
        due = began + n / plan.rate
        while (left := due - time.monotonic()) > 0 or not calls.idle:
            calls.hear(max(0.0, left) if calls.idle else PATIENCE)
        calls.idle.popleft().send(request, due)
    calls.all_answered()
    return Seen(began, time.monotonic(), dict(calls.statuses), calls.took)


def trickle(plan: Plan) -> Seen:
    """Hold *count* connections that send a byte a second, until the input ends.

    They come from *connections* addresses; half of them have sent their headers. What the server
    closes is opened again.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    slow: list[socket.socket | None] = [None] * plan.count
    began, opened = time.monotonic(), 0
    while not _is_told_to_end():
        round_began = time.monotonic()
        for n, one in enumerate(slow):
            if one is None or not _drip(one):
                slow[n] = _open(plan, n)
                opened += 1
        time.sleep(max(0.0, round_began + SECOND - time.monotonic()))
    return Seen(began, time.monotonic(), {"opened": opened}, [])


def _open(plan: Plan, n: int) -> socket.socket | None:
    source = f"127.0.{1 + n % plan.connections // 250}.{1 + n % plan.connections % 250}"
    one = socket.socket()
    with suppress(OSError):
        one.bind((source, 0))
        one.settimeout(SECOND)
        one.connect((HERE, plan.port))
        head = f"POST {plan.paths[0]} HTTP/1.1\r\nhost: {HERE}\r\ncontent-length: 9000\r\n"
        one.sendall(head.encode() + (b"\r\n" if n % 2 else b"x: "))
        one.setblocking(False)
        return one
    one.close()
    return None


def _drip(one: socket.socket) -> bool:
    """Send a byte; say whether the other end still listens."""
    try:
        one.send(b"x")
        if one.recv(1024):  # it says why, and closes next
            return True
    except BlockingIOError:
        return True
    except OSError:
        pass
    one.close()
    return False


def _is_told_to_end() -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(ready)


WAYS: dict[str, Callable[[Plan], Seen]] = {"flood": flood, "steady": steady, "trickle": trickle}


def main() -> None:
    way = WAYS[sys.argv[1]]
    plan = Plan(*json.loads(sys.stdin.readline()))
    print(json.dumps(way(plan)), flush=True)


if __name__ == "__main__":
    main()
