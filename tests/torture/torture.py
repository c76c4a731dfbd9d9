"""Kill a server again and again while it works, let it come to rest, then check what is left."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.checker import violations
from tests.torture.evidence import (
    QUEUED,
    RUNNING,
    WORDS,
    Evidence,
    attempts_alive,
    gathered,
    opened,
    read_effects,
)
from tests.torture.load import STEP, Presser, World
from tests.torture.served import Served, TooSlow, serving, verify, wait_until
from tinyforge.clock import SECOND, SystemClock
from tinyforge.ids import show

CONCURRENCY = 16
IN_A_RUN = "in a run"
ANY_MOMENT = "any moment"
OTHER_POINTS = ("noticed", "recorded", "fanned-out", "leased", "ended")
MOST_TIMES = 25  # that a named point is passed before the kill
UNDER_WAY = """
SELECT EXISTS (SELECT 1 FROM runs WHERE state = ?1) OR EXISTS (SELECT 1 FROM runs WHERE state = ?2)
  OR EXISTS (SELECT 1 FROM events WHERE fanned_at IS NULL)"""
OUTAGE = 2.2 * STEP  # seconds that nobody serves, once
REST = 180.0  # seconds for everything that was begun to end


@dataclass(frozen=True)
class Blow:
    """One kill: at a named point, or from outside."""

    where: str
    times: int
    seed: int

    @property
    def crash_at(self) -> str | None:
        named = self.where not in {IN_A_RUN, ANY_MOMENT}
        return f"{self.where}:{self.times}" if named else None


def blows(count: int, seed: int) -> list[Blow]:
    """Of ten kills four strike between accept and fan-out, four in a run, two anywhere else."""
    chance = random.Random(seed)  # noqa: S311 - it must be the same each time
    elsewhere = [*OTHER_POINTS, ANY_MOMENT]
    chance.shuffle(elsewhere)
    places = ("accepted", "deployed", "accepted", IN_A_RUN)
    found = [
        places[n % 5] if n % 5 < len(places) else elsewhere[n // 5 % len(elsewhere)]
        for n in range(count)
    ]
    chance.shuffle(found)
    return [Blow(where, chance.randint(1, MOST_TIMES), n + 1) for n, where in enumerate(found)]


@dataclass
class Toll:
    """What was done to the server, and what was seen each time."""

    kills: Counter[str] = field(default_factory=Counter)
    half_done: int = 0  # deaths that left an event accepted and not fanned out
    in_a_run: int = 0  # deaths that left a run under lease
    before_ready: int = 0
    leftovers: list[str] = field(default_factory=list)
    two_owners: list[str] = field(default_factory=list)


@dataclass
class Torture:
    world: World
    say: Callable[[str], None]
    toll: Toll = field(default_factory=Toll)
    presser: Presser = field(default_factory=Presser)

    def endure(self, plan: Sequence[Blow]) -> None:
        """Start the server and kill it, once for each of *plan*."""
        with self._serving(self.world.at_work) as served:
            assert served.until_ready(), served.last_words()
            self.world.put_in_by_hand()
            with self.presser.at_work(served, seed=0):
                served.wait_until(self.has_begun_something(), "the first effects")
            served.kill()
        for number, blow in enumerate(plan, 1):
            if number == len(plan) // 2:
                self._stay_down()
            self._strike(blow)
            self.say(f"{number}/{len(plan)} killed: {blow.crash_at or blow.where}")

    def rest(self) -> None:
        """Switch the schedules off, wait until nothing is left to do, and stop softly."""
        with self._serving(self.world.at_rest) as served:
            assert served.until_ready(), served.last_words()
            self._look_for_leftovers()
            self.presser.press_each(served)
            served.wait_until(self._is_idle, "what was begun has ended", REST)
            self.say("at rest")
            served.tell(signal.SIGTERM)
            assert served.ended() == 0, served.last_words()

    def evidence(self) -> Evidence:
        return gathered(self.world, self.presser)

    def findings(self, seen: Evidence) -> Mapping[str, Sequence[str]]:
        """Ask the checker, and the server's own `verify`; empty where all is well."""
        found: dict[str, Sequence[str]] = dict(violations(seen))
        view = verify(self.world.folder)
        asked = {
            "verify": [f"{fault.trigger}: {fault.words}" for fault in view.faults],
            "leftovers": self.toll.leftovers,
            "owners": self.toll.two_owners,
            "refused": list(map(str, self.presser.refused)),
        }
        return found | {name: problems for name, problems in asked.items() if problems}

    def has_begun_something(self) -> Callable[[], bool]:
        """Return whether a command that began after this call is at work."""
        before = len(read_effects(self.world.effects))

        def happened() -> bool:
            at_work: set[tuple[int, int]] = set()
            for effect in read_effects(self.world.effects)[before:]:
                key = (effect.run, effect.attempt)
                (at_work.add if effect.what == "start" else at_work.discard)(key)
            return bool(at_work)

        return happened

    def _serving(
        self, manifest: Path, crash_at: str | None = None
    ) -> AbstractContextManager[Served]:
        words = ["--config", str(manifest), "--concurrency", str(CONCURRENCY)]
        crash = {} if crash_at is None else {"TINYFORGE_CRASH_AT": crash_at}
        return serving(self.world.folder, words, crash)

    def _strike(self, blow: Blow) -> None:
        with ExitStack() as stack:
            served = stack.enter_context(self._serving(self.world.at_work, blow.crash_at))
            stack.enter_context(self.presser.at_work(served, blow.seed))
            has_begun = self.has_begun_something()
            if served.until_ready():
                self._look_for_leftovers()
            else:
                self.toll.before_ready += 1
            if blow.where == IN_A_RUN:
                served.wait_until(has_begun, "a command is at work")
            elif blow.where == ANY_MOMENT:
                served.wait_until(self._grows_by(blow.times), "effects are written")
            code = served.ended() if blow.crash_at else served.kill()
            if code != -signal.SIGKILL:
                raise TooSlow(f"exit code {code} instead of a kill\n{served.last_words()}")
        self.toll.kills[blow.where] += 1
        self._look_at_the_dead()

    def _stay_down(self) -> None:
        """Let more than one window of every schedule pass while nobody serves."""
        with opened(self.world.database) as file:
            (decided,) = file.execute("SELECT max(decided_until) FROM timing").fetchone()
        over = decided / SECOND + OUTAGE
        wait_until(lambda: SystemClock().now() / SECOND > over, "windows have passed")
        self.say("a longer outage")

    def _grows_by(self, lines: int) -> Callable[[], bool]:
        wanted = len(read_effects(self.world.effects)) + lines
        return lambda: len(read_effects(self.world.effects)) >= wanted

    def _look_at_the_dead(self) -> None:
        """Count what this death left half done."""
        with opened(self.world.database) as file:
            (open_events,) = file.execute(
                "SELECT count(*) FROM events WHERE fanned_at IS NULL"
            ).fetchone()
            owners = file.execute(
                "SELECT DISTINCT owner FROM runs WHERE state = ?", (RUNNING,)
            ).fetchall()
        self.toll.half_done += open_events > 0
        self.toll.in_a_run += bool(owners)
        if len(owners) > 1:
            self.toll.two_owners.append(f"runs are under lease of {[row[0] for row in owners]}")

    def _is_idle(self) -> bool:
        with opened(self.world.database) as file:
            (left,) = file.execute(UNDER_WAY, (QUEUED, RUNNING)).fetchone()
        return not left

    def _look_for_leftovers(self) -> None:
        """Note processes of attempts that died with an earlier server."""
        with opened(self.world.database) as file:
            dead = file.execute("SELECT run_id, n FROM attempts WHERE outcome = 'died'").fetchall()
        marks = {(show("run", row["run_id"]), str(row["n"])) for row in dead}
        self.toll.leftovers += [f"{run} attempt {n}" for run, n in sorted(attempts_alive() & marks)]


def table(torture: Torture, seen: Evidence) -> list[tuple[str, str]]:
    """Return the figures of a torture, in the order in which they are told."""
    toll = torture.toll
    states = Counter(WORDS[run["state"]] for run in seen.runs.values())
    outcomes = Counter(row["outcome"] for row in seen.tables["attempts"])
    folded = sum(row["folded"] or 0 for row in seen.tables["events"])
    skipped = sum(row["count"] or 0 for row in seen.tables["spans"])
    fired = sum(len(fires) for fires in seen.fires.values())
    rows = [
        ("kills", f"{sum(toll.kills.values())}"),
        ("… at", ", ".join(f"{where} {n}" for where, n in sorted(toll.kills.items()))),
        ("… that left an event without results", f"{toll.half_done}"),
        ("… that left a run under lease", f"{toll.in_a_run}"),
        ("… before the server answered", f"{toll.before_ready}"),
        ("windows fired / folded / skipped", f"{fired:,} / {folded:,} / {skipped:,}"),
        ("events", f"{len(seen.events):,}"),
        ("… fired by hand and acknowledged", f"{len(seen.acks):,}"),
        ("runs", f"{len(seen.runs):,}"),
        *((f"… {state}", f"{count:,}") for state, count in sorted(states.items())),
        ("attempts that died", f"{outcomes['died']:,}"),
        ("commands begun / ended", f"{sum(seen.starts.values()):,} / {sum(seen.ends.values()):,}"),
    ]
    return [(name, value) for name, value in rows if value]
