"""What the server has to do while it is killed, and what is known of it beforehand."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.served import Served
from tinyforge.cli.client import SocketDoor
from tinyforge.cli.failure import CommandFailed, ServerDown

SCHEDULES, CRONS, BUSY, PATIENT, BUTTONS = 500, 20, 48, 12, 6
STEP = 10  # seconds
ANCHOR = "2026-01-01T00:00:00Z"
ANCHORED_AT = 1_767_225_600_000_000
SECONDS = ("0", "0", "0.2", "0.5", "1", "2")  # that runs take
OF_ANY_END = ("succeeded", "failed", "interrupted")
BROKEN = "put-in-by-hand"
OK = 200
PAUSES = (0.05, 0.15)  # seconds between two fires by hand, at least and at most
BODIES = (b"{}", b'{"facts": {"branch": "main"}}', b'{"facts": {"branch": "other"}}')

EFFECT = """\
#!/bin/sh
# Each line is one append, so that their order is the order in which it happened.
who="$TINYFORGE_WORKLOAD $TINYFORGE_RUN_ID $TINYFORGE_ATTEMPT"
echo "start $who" >> "$1"
[ "$2" = 0 ] || sleep "$2"
echo "end $who" >> "$1"
echo "deployed for $TINYFORGE_TRIGGER"
exit "${3:-0}"
"""


@dataclass(frozen=True)
class Free:
    """Every STEP seconds from the last fire on."""

    max_late: int | None = None  # seconds


@dataclass(frozen=True)
class Fixed:
    """Every STEP seconds from a moment on that nothing moves; None: from the creation on."""

    origin: int | None


@dataclass(frozen=True)
class Minutes:
    """In these minutes of every hour."""

    minutes: frozenset[int]


@dataclass(frozen=True)
class Timed:
    """A schedule as it is written, and what that means."""

    name: str
    config: Mapping[str, object]
    meaning: Free | Fixed | Minutes


def schedules() -> list[Timed]:
    every = {"interval": f"{STEP}s"}
    found = []
    for n in range(SCHEDULES):
        name = f"every-{n:03}"
        match n % 5:
            case 0:
                found.append(Timed(name, {**every, "max_late": "1s"}, Free(max_late=1)))
            case 1:
                found.append(Timed(name, {**every, "spread": f"{STEP}s"}, Fixed(None)))
            case 2:
                found.append(Timed(name, {**every, "anchor": ANCHOR}, Fixed(ANCHORED_AT)))
            case _:
                found.append(Timed(name, every, Free()))
    return found + [_cron(n) for n in range(CRONS)]


def _cron(n: int) -> Timed:
    step, first = n % 4 + 1, n % 3
    minutes = frozenset(range(first % step, 60, step))
    text = ",".join(map(str, sorted(minutes)))
    return Timed(f"cron-{n:02}", {"cron": f"{text} * * * *"}, Minutes(minutes))


def busy(n: int) -> str:
    return f"busy-{n % BUSY:02}"


def patient(n: int) -> str:
    return f"patient-{n % PATIENT:02}"


@dataclass
class World:
    """A folder with a server's data, its manifest and the file in which effects are counted."""

    folder: Path
    timed: Sequence[Timed] = field(default_factory=schedules)

    def __post_init__(self) -> None:
        script = self.folder / "effect.sh"
        script.write_text(EFFECT)
        script.chmod(0o700)
        self.effects.touch()
        self.at_work.write_text(json.dumps(self._manifest(enabled=True)))
        self.at_rest.write_text(json.dumps(self._manifest(enabled=False)))

    @property
    def effects(self) -> Path:
        return self.folder / "effects.txt"

    @property
    def at_work(self) -> Path:
        return self.folder / "at-work.yaml"

    @property
    def at_rest(self) -> Path:
        """The same with all schedules switched off: what is under way comes to its end."""
        return self.folder / "at-rest.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "tinyforge.db"

    def put_in_by_hand(self) -> None:
        """Add a row that makes no sense, as a person with a SQL prompt may."""
        file = sqlite3.connect(self.database)
        try:
            values = (1, BROKEN, "schedule", '{"interval": "soon"}')
            file.execute("INSERT INTO triggers(id, name, kind, config) VALUES (?, ?, ?, ?)", values)
            file.commit()
        finally:
            file.close()

    def _manifest(self, *, enabled: bool) -> dict[str, object]:
        workloads = dict(self._workloads())
        triggers: dict[str, object] = {
            one.name: {"kind": "schedule", "enabled": enabled, **one.config} for one in self.timed
        }
        triggers |= {f"button-{n}": {"kind": "manual"} for n in range(BUTTONS)}
        triggers |= {name: config for name, config, _ in followers()}
        return {
            "version": 1,
            "workloads": workloads,
            "triggers": triggers,
            "bindings": list(self._bindings()),
        }

    def _workloads(self) -> Iterator[tuple[str, dict[str, object]]]:
        for n in range(BUSY):
            queue = "skip" if n % 8 == 7 else "latest"
            yield busy(n), self._workload(SECONDS[n % len(SECONDS)], queue, idempotent=n % 3 == 0)
        for n in range(PATIENT):
            yield patient(n), self._workload(SECONDS[n % 3], "every", idempotent=n % 2 == 0)
        retry = {"attempts": 2, "backoff": "1s"}
        yield "failing", {**self._workload("0", "every", idempotent=False, code=1), "retry": retry}

    def _workload(
        self, seconds: str, queue: str, *, idempotent: bool, code: int = 0
    ) -> dict[str, object]:
        words = [str(self.folder / "effect.sh"), str(self.effects), seconds, str(code)]
        return {"kind": "command", "command": words, "queue": queue, "idempotent": idempotent}

    def _bindings(self) -> Iterator[dict[str, object]]:
        for n, one in enumerate(self.timed):
            name_of = busy if isinstance(one.meaning, Free | Fixed) else patient
            for m in range(3):
                yield {"trigger": one.name, "workload": name_of(3 * n + m)}
        for n in range(BUTTONS):
            for workload in (busy(5 * n), busy(7 * n + 2), patient(n) if n else "failing"):
                yield {"trigger": f"button-{n}", "workload": workload}
            rule = {"branch": ["main", "next"]}
            yield {"trigger": f"button-{n}", "workload": busy(5 * n + 1), "match": rule}
        for name, _, workloads in followers():
            for workload in workloads:
                yield {"trigger": name, "workload": workload}


def followers() -> list[tuple[str, dict[str, object], tuple[str, ...]]]:
    """Triggers of kind `run`; the last goes round in a circle until the hops are used up."""
    after = {"kind": "run", "on": list(OF_ANY_END)}
    return [
        ("after-busy", {**after, "workloads": [busy(5), busy(11)]}, (busy(8), busy(9), patient(3))),
        ("after-failing", {**after, "workloads": ["failing"]}, (patient(3), patient(4), busy(10))),
        ("in-a-circle", {**after, "workloads": [patient(0)]}, (patient(0), busy(12), patient(6))),
    ]


@dataclass
class Presser:
    """Fires triggers by hand, over and over, and remembers what was promised."""

    acks: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unanswered: int = 0

    @contextmanager
    def at_work(self, served: Served, seed: int) -> Iterator[None]:
        done = threading.Event()
        chance = random.Random(seed)  # noqa: S311 - it must be the same each time
        thread = threading.Thread(target=self._press, args=(served, done, chance))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _press(self, served: Served, done: threading.Event, chance: random.Random) -> None:
        while not done.wait(chance.uniform(*PAUSES)) and not served.is_over:
            door = SocketDoor(served.data)
            try:
                door.connect()
            except (CommandFailed, ServerDown):
                continue
            try:
                self._fire(door, done, chance)
            except (CommandFailed, ServerDown):
                self.unanswered += 1
            finally:
                door.close()

    def _fire(self, door: SocketDoor, done: threading.Event, chance: random.Random) -> None:
        while not done.wait(chance.uniform(*PAUSES)):
            name = f"button-{chance.randrange(BUTTONS)}"
            body = chance.choice(BODIES)
            answer = door.ask("POST", f"/api/v1/triggers/{name}/fire", body)
            if answer.status == OK:
                self.acks.append(json.loads(answer.body)["event"])
            else:
                self.refused.append(f"{answer.status} {answer.body.decode(errors='replace')}")
