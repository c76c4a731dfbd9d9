"""A wire between replicas and their PostgreSQL that a test can cut or slow, statement by statement.

It reads what passes as far as it must: the text of each statement, and where a transaction ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit

# A piece of the statement by which a transaction is known.
WRITES: Mapping[str, str] = MappingProxyType(
    {
        "claim": "SET last_fired_at = b.last",
        "accept": "INSERT INTO events(id, trigger_id, key",
        "fan-out": "UPDATE events SET fanned_at",
        "take": "UPDATE runs r SET state = 3",
        "finish": "UPDATE runs SET state = b.state",
        "cancel what waits": "UPDATE runs SET state = 6",
        "cancel what another deploys": "INSERT INTO cancels",
        "apply": "INSERT INTO revisions",
        "heartbeat": "UPDATE servers SET lease_until",
    }
)
SPECIAL = {80877103: b"N", 80877104: b"N"}  # SSL, GSS: no
SOCKET = ".s.PGSQL.5432"
HEAD = 5  # a message: its type, and its length with that of the length
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


@dataclass
class Wire:
    """What is asked of the wire, and how often it has done it."""

    socket: Path
    loop: asyncio.AbstractEventLoop
    url: str = ""
    severed: bool = False
    cut: Counter[str] = field(default_factory=Counter)  # commits whose answers were lost
    slowed: Counter[str] = field(default_factory=Counter)
    _to_cut: Counter[str] = field(default_factory=Counter)
    _to_slow: Counter[str] = field(default_factory=Counter)
    _delay: float = 0
    _ends: set[Writer] = field(default_factory=set)

    def sever(self) -> None:
        """Cut all connections, and let no new one through."""
        self.severed = True
        self.loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for end in self._ends:
            end.transport.abort()

    def lose_answers(self, write: str, times: int) -> None:
        """Cut the connection *times* times, when a commit of that is done and not yet answered."""
        self._to_cut[write] += times

    def slow(self, write: str, times: int, seconds: float) -> None:
        """Let that statement wait for so long, with all that its transaction holds.

        Of `commit of` a write, the answer waits.
        """
        self._delay = seconds
        self._to_slow[write] += times

    def is_to_be_cut(self, writes: set[str]) -> bool:
        for write in writes:
            if self._to_cut[write] > 0:
                self._to_cut[write] -= 1
                self.cut[write] += 1
                return True
        return False

    def delay(self, write: str) -> float:
        if self._to_slow[write] <= 0:
            return 0
        self._to_slow[write] -= 1
        self.slowed[write] += 1
        return self._delay

    async def serve(self, front: Reader, back: Writer) -> None:
        """Pass everything on, both ways, until one side goes."""
        if self.severed:
            back.transport.abort()
            return
        reader, writer = await asyncio.open_unix_connection(self.socket)
        line, ends = _Line(self, (front, writer), (reader, back)), (writer, back)
        self._ends.update(ends)
        try:
            await line.run()
        finally:
            self._ends.difference_update(ends)
            for end in ends:
                end.transport.abort()


@dataclass
class _Line:
    """One connection."""

    wire: Wire
    asking: tuple[Reader, Writer]
    answering: tuple[Reader, Writer]
    statements: dict[bytes, str] = field(default_factory=dict)
    writes: set[str] = field(default_factory=set)  # of the transaction that is open
    doomed: bool = False
    late: float = 0  # seconds that the next answer has to wait

    async def run(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._greet()
            ways = (self._ask(), self._answer())
            tasks = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _greet(self) -> None:
        """Pass on the first message, which has no type; refuse what would hide the others."""
        reader, writer = self.asking
        while True:
            size = await reader.readexactly(4)
            rest = await reader.readexactly(int.from_bytes(size, "big") - 4)
            refusal = SPECIAL.get(int.from_bytes(rest[:4], "big"))
            if refusal is None:
                writer.write(size + rest)
                return
            self.answering[1].write(refusal)

    async def _ask(self) -> None:
        reader, writer = self.asking
        while True:
            kind, body = await _message(reader)
            await asyncio.sleep(self._note(kind, body))
            writer.write(kind + (len(body) + 4).to_bytes(4, "big") + body)
            await writer.drain()

    async def _answer(self) -> None:
        reader, writer = self.answering
        while True:
            kind, body = await _message(reader)
            if self.doomed:
                if kind == b"Z":  # it is done, and nobody hears of it
                    return
                continue
            waits, self.late = self.late, 0
            await asyncio.sleep(waits)
            writer.write(kind + (len(body) + 4).to_bytes(4, "big") + body)
            await writer.drain()

    def _note(self, kind: bytes, body: bytes) -> float:
        """Learn what is asked, and return for how long it is to wait."""
        if kind == b"P":
            name, query, *_ = body.split(b"\0", 2)
            self.statements[name] = query.decode()
        elif kind == b"B":
            _, name, *_ = body.split(b"\0", 2)
            return self._begin(self.statements.get(name, ""))
        elif kind == b"Q" and body == b"COMMIT\0":
            self.doomed = self.wire.is_to_be_cut(self.writes)
            self.late = sum(self.wire.delay(f"commit of {write}") for write in self.writes)
        elif kind == b"Q" and body.strip().startswith(b"BEGIN"):
            self.writes.clear()
        return 0

    def _begin(self, statement: str) -> float:
        found = [write for write, piece in WRITES.items() if piece in statement]
        self.writes.update(found)
        return sum(map(self.wire.delay, found))


async def _message(reader: Reader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(HEAD)
    return head[:1], await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


@contextmanager
def wire_to(url: str) -> Iterator[Wire]:
    """Put a wire before the PostgreSQL whose socket *url* names, in a thread of its own."""
    asked = urlsplit(url)
    (folder,) = parse_qs(asked.query)["host"]
    loop = asyncio.new_event_loop()
    wire = Wire(Path(folder) / SOCKET, loop)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    opening = asyncio.start_server(wire.serve, "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(opening, loop).result()
    port = server.sockets[0].getsockname()[1]
    wire.url = f"postgresql://{asked.username}@127.0.0.1:{port}{asked.path}"
    try:
        yield wire
    finally:
        asyncio.run_coroutine_threadsafe(_closed(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _closed(server: asyncio.Server) -> None:
    server.close()
    lines = asyncio.all_tasks() - {asyncio.current_task()}
    for line in lines:
        line.cancel()
    await asyncio.gather(*lines, return_exceptions=True)
