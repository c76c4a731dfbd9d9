"""Waves of 10,000 windows due within ten seconds, and one of three replicas killed each second."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.replicas.fleet import Fleet, Way
from tests.torture.evidence import WORDS, Evidence
from tests.torture.load import WAVE_STEP, World, schedules, wave
from tests.torture.served import tinyforge, wait_until
from tinyforge.clock import SECOND, Moment, SystemClock

REPLICAS = 3
TO_BEGIN = 25 * SECOND  # until the first window of the wave
APART = 1.0  # seconds between two kills


@dataclass
class Storm:
    fleet: Fleet
    say: Callable[[str], None]
    first: Moment = 0  # of the windows of the wave that is looked at
    kills: Counter[int] = field(default_factory=Counter)

    def begin(self) -> None:
        """Start all replicas at once on a database without tables; wait for the first windows."""
        fleet = self.fleet
        fleet.start_together([Way(manifest=fleet.world.at_work)] * REPLICAS)
        fleet.put_in_by_hand()
        self.say("all replicas serve")
        self._announce_wave()
        begun = f"SELECT count(*) > 0 FROM events WHERE window_at >= {self.first}"
        fleet.wait_until(begun, patience=2 * WAVE_STEP)

    def _announce_wave(self) -> None:
        """Apply schedules that are due soon; where that takes too long, the next wave counts."""
        fleet = self.fleet
        self.first = SystemClock().now() + TO_BEGIN
        fleet.world = World(fleet.world.folder, [*schedules(), *wave(self.first)])
        said = tinyforge(fleet.lives(0).folder, "apply", str(fleet.world.at_work))
        assert said.returncode == 0, said.stderr
        self.say("the wave is announced")
        while self.first < SystemClock().now():
            self.first += WAVE_STEP * SECOND

    def blow(self, kills: int, seed: int) -> None:
        """Kill one replica each second, and start it again at once."""
        chance, began = random.Random(seed), time.monotonic()  # noqa: S311 - the same each time
        for n in range(kills):
            at = began + n * APART
            wait_until(lambda at=at: time.monotonic() >= at, "the next kill")
            number = chance.randrange(REPLICAS)
            self.fleet.kill(number)
            self.fleet.launch(number)
            self.kills[number] += 1
            self.say(f"{n + 1}/{kills} killed: replica {number}")

    def wait_for_wave(self) -> None:
        """Wait until each window of the first wave is decided."""
        self.fleet.wait_until(
            "SELECT count(*) = 0 FROM timing t JOIN triggers g ON g.id = t.trigger_id"
            f" WHERE g.name LIKE 'wave-%' AND t.due_at < {self.first + 10 * SECOND}"
        )


def table(storm: Storm, seen: Evidence) -> list[tuple[str, str]]:
    """Return the figures of a storm, in the order in which they are told."""
    states = Counter(WORDS[run["state"]] for run in seen.runs.values())
    outcomes = Counter(row["outcome"] for row in seen.tables["attempts"])
    waves = {row["id"] for row in seen.tables["triggers"] if row["name"].startswith("wave-")}
    fired = {trigger: len(fires) for trigger, fires in seen.fires.items()}
    rows = [
        ("kills", f"{storm.kills.total()}"),
        ("windows of waves fired", f"{sum(n for t, n in fired.items() if t in waves):,}"),
        ("other windows fired", f"{sum(n for t, n in fired.items() if t not in waves):,}"),
        ("… folded", f"{sum(row['folded'] or 0 for row in seen.tables['events']):,}"),
        ("… skipped", f"{sum(row['count'] or 0 for row in seen.tables['spans']):,}"),
        ("fired by hand and acknowledged", f"{len(seen.acks):,}"),
        ("runs", f"{len(seen.runs):,}"),
        *((f"… {state}", f"{count:,}") for state, count in sorted(states.items())),
        ("attempts that died", f"{outcomes['died']:,}"),
        ("commands begun / ended", f"{sum(seen.starts.values()):,} / {sum(seen.ends.values()):,}"),
    ]
    return [(name, value) for name, value in rows if value]
