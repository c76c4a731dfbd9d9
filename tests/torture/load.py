"""What the server has to do while it is killed, and what is known of it beforehand."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from tests.torture.calls import Call, Caller, NoAnswer
from tests.torture.served import Served
from tinyforge.clock import Moment, rfc3339

SCHEDULES, CRONS, BUSY, PATIENT, BUTTONS = 500, 20, 48, 12, 6
WAVE, EAGER, WAVE_STEP = 10_000, 100, 100  # windows, workloads, seconds between two waves
WAVE_GAP = 1_000  # µs between two windows of a wave
STEP = 10  # seconds
ANCHOR = "2026-01-01T00:00:00Z"
ANCHORED_AT = 1_767_225_600_000_000
SECONDS = ("0", "0", "0.2", "0.5", "1", "2")  # that runs take
OF_ANY_END = ("succeeded", "failed", "interrupted")
BROKEN = "put-in-by-hand"
FAILING, HANGING = "failing", "hanging"
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
    """Every *step* seconds from the last fire on."""

    max_late: int | None = None  # seconds
    step: int = STEP


@dataclass(frozen=True)
class Fixed:
    """Every *step* seconds from a moment on that nothing moves; None: from the creation on."""

    origin: int | None
    step: int = STEP


@dataclass(frozen=True)
class Minutes:
    """In these minutes of every hour."""

    minutes: frozenset[int]


@dataclass(frozen=True)
class Timed:
    """A schedule as it is written, what that means, and what it deploys."""

    name: str
    config: Mapping[str, object]
    meaning: Free | Fixed | Minutes
    workloads: tuple[str, ...]


def schedules() -> list[Timed]:
    every = {"interval": f"{STEP}s"}
    found = []
    for n in range(SCHEDULES):
        name, three = f"every-{n:03}", tuple(busy(3 * n + m) for m in range(3))
        match n % 5:
            case 0:
                found.append(Timed(name, {**every, "max_late": "1s"}, Free(max_late=1), three))
            case 1:
                found.append(Timed(name, {**every, "spread": f"{STEP}s"}, Fixed(None), three))
            case 2:
                found.append(Timed(name, {**every, "anchor": ANCHOR}, Fixed(ANCHORED_AT), three))
            case _:
                found.append(Timed(name, every, Free(), three))
    return found + [_cron(SCHEDULES + n) for n in range(CRONS)]


def _cron(place: int) -> Timed:
    n = place - SCHEDULES
    step, first = n % 4 + 1, n % 3
    minutes = frozenset(range(first % step, 60, step))
    text = ",".join(map(str, sorted(minutes)))
    three = tuple(patient(3 * place + m) for m in range(3))
    return Timed(f"cron-{n:02}", {"cron": f"{text} * * * *"}, Minutes(minutes), three)


def wave(at: Moment) -> list[Timed]:
    """Return schedules that are all due within ten seconds from *at* on, and then again."""
    found = []
    for n in range(WAVE):
        origin = at + n * WAVE_GAP
        config = {"interval": f"{WAVE_STEP}s", "anchor": rfc3339(origin)}
        found.append(Timed(f"wave-{n:05}", config, Fixed(origin, WAVE_STEP), (eager(n),)))
    return found


def busy(n: int) -> str:
    return f"busy-{n % BUSY:02}"


def patient(n: int) -> str:
    return f"patient-{n % PATIENT:02}"


def eager(n: int) -> str:
    return f"eager-{n % EAGER:02}"


@dataclass
class World:
    """A folder with a server's data, its manifest and the file in which effects are counted."""

    folder: Path
    timed: Sequence[Timed] = field(default_factory=schedules)

    def __post_init__(self) -> None:
        if not self.script.exists():
            self.script.write_text(EFFECT)
            self.script.chmod(0o700)
        self.effects.touch()
        self.at_work.write_text(json.dumps(self._manifest(enabled=True)))
        self.at_rest.write_text(json.dumps(self._manifest(enabled=False)))

    @property
    def script(self) -> Path:
        return self.folder / "effect.sh"

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
        yield FAILING, {**self._workload("0", "every", idempotent=False, code=1), "retry": retry}
        yield HANGING, {**self._workload("60", "latest", idempotent=False), "timeout": "2s"}
        bound = frozenset(chain.from_iterable(one.workloads for one in self.timed))
        for n in range(EAGER):
            if eager(n) in bound:
                queue = "every" if n % 4 == 0 else "latest"
                yield eager(n), self._workload("0", queue, idempotent=n % 2 == 0)

    def _workload(
        self, seconds: str, queue: str, *, idempotent: bool, code: int = 0
    ) -> dict[str, object]:
        words = [str(self.script), str(self.effects), seconds, str(code)]
        return {"kind": "command", "command": words, "queue": queue, "idempotent": idempotent}

    def _bindings(self) -> Iterator[dict[str, object]]:
        for one in self.timed:
            for workload in one.workloads:
                yield {"trigger": one.name, "workload": workload}
        yield {"trigger": "button-1", "workload": HANGING}
        for n in range(BUTTONS):
            for workload in (busy(5 * n), busy(7 * n + 2), patient(n) if n else FAILING):
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
    refused: list[Call] = field(default_factory=list)
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
        caller = Caller(served.data)
        while not done.wait(chance.uniform(*PAUSES)) and not served.is_over:
            name = f"button-{chance.randrange(BUTTONS)}"
            self._fire(caller, name, chance.choice(BODIES))

    def press_each(self, served: Served) -> None:
        """Fire every button once: what fails and what hangs comes to its end if nobody kills it."""
        caller = Caller(served.data)
        for n in range(BUTTONS):
            self._fire(caller, f"button-{n}", BODIES[0])

    def _fire(self, caller: Caller, name: str, body: bytes) -> None:
        try:
            call = caller.post(f"/api/v1/triggers/{name}/fire", body)
        except NoAnswer as silence:
            self.unanswered += silence.was_heard
            return
        if call.is_done:
            self.acks.append(json.loads(call.body)["event"])
        else:
            self.refused.append(call)
