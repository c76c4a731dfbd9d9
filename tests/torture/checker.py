"""The checker: one function for each invariant, each returns what violates it.

It derives everything again from the file, the effects and the config that the test has written; it
shares no code with the engine that it judges.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from tests.torture.accounting import accounting
from tests.torture.evidence import (
    INTERRUPTED,
    QUEUED,
    RUNNING,
    SUPERSEDED,
    WORDS,
    Effect,
    Evidence,
)
from tests.torture.load import BROKEN, FAILING, HANGING
from tinyforge.ids import read, show

MOST_HOPS = 5
MOST_DEATHS = 3
UNAVAILABLE = 503
HANGS = 10.0  # seconds: what takes longer, under this load, hangs
# Attempts that did not come to their own end: the server died, or had to let go, or ended them.
CUT_SHORT = {"died", "lost", "cancelled", "timed_out"}


# --- I2 to I7: effects, leases, settling, promises


def no_phantom(seen: Evidence) -> list[str]:
    """I2: every effect names an attempt, of a run whose event was accepted before it began."""
    found = []
    attempts = {(row["run_id"], row["n"]): row for row in seen.tables["attempts"]}
    for run, n in seen.starts.keys() | seen.ends.keys():
        row = attempts.get((run, n))
        if row is None or run not in seen.runs:
            found.append(f"{show('run', run)} attempt {n} had an effect, and is not recorded")
            continue
        event = seen.events.get(seen.runs[run]["event_id"])
        if event is None or event["accepted_at"] > row["started_at"]:
            found.append(f"{show('run', run)} began before its event was accepted")
    return found


def fencing(seen: Evidence) -> list[str]:
    """I3: attempts are numbered without a gap, one ends a run, and it ends as that one did."""
    return [
        f"{show('run', number)} {problem}"
        for number, run in seen.runs.items()
        if (problem := _misnumbered(run, seen.attempts.get(number, []))) is not None
    ]


ENDED_BY = {
    "succeeded": {"succeeded"},
    "failed": {"failed", "timed_out"},
    "interrupted": {"died", "lost"},
}


def _misnumbered(run: sqlite3.Row, attempts: list[sqlite3.Row]) -> str | None:
    outcomes = [row["outcome"] for row in sorted(attempts, key=lambda row: int(row["n"]))]
    if sorted(row["n"] for row in attempts) != list(range(1, len(attempts) + 1)):
        return f"has attempts {[row['n'] for row in attempts]}"
    if run["attempt"] != len(attempts) and run["state"] != RUNNING:
        return f"is at attempt {run['attempt']}, and {len(attempts)} are recorded"
    state = WORDS[run["state"]]
    if state in ENDED_BY and (not outcomes or outcomes[-1] not in ENDED_BY[state]):
        return f"is {state}, and its attempts {outcomes}"
    if set(outcomes[:-1]) - {"died", "lost", "failed"}:
        return f"went on after {outcomes}"
    return None


def settled(seen: Evidence) -> list[str]:
    """I4: once faults stop, nothing is queued or running that could go on."""
    return [
        f"{show('run', number)} is still {WORDS[run['state']]}"
        for number, run in seen.runs.items()
        if run["state"] in {QUEUED, RUNNING}
    ]


def bounded_effects(seen: Evidence) -> list[str]:
    """I5: an attempt has one effect, and only a death or a retry asked for makes another."""
    found = [
        f"{show('run', run)} attempt {n} began {count} times"
        for (run, n), count in seen.starts.items()
        if count > 1
    ]
    for row in seen.tables["attempts"]:
        key = (row["run_id"], row["n"])
        effects = (seen.starts.get(key, 0), seen.ends.get(key, 0))
        if row["outcome"] in {"succeeded", "failed"} and effects != (1, 1):
            name = show("run", row["run_id"])
            found.append(f"{name} attempt {row['n']} {row['outcome']} with effects {effects}")
    died = [row for row in seen.tables["attempts"] if row["outcome"] == "died"]
    if died and seen.deaths == 0:
        found.append(f"{len(died)} attempts died, though no server did")
    return found + [
        f"{show('run', number)} was tried again after {outcomes}"
        for number, attempts in seen.attempts.items()
        if (outcomes := _needless(seen, number, attempts))
    ]


def _needless(seen: Evidence, number: int, attempts: list[sqlite3.Row]) -> list[str]:
    """Return outcomes after which another attempt followed without a reason."""
    if number not in seen.runs:
        return []  # I1 and I2 say that it is missing
    workload = seen.workloads[seen.runs[number]["workload_id"]]
    reasons = {"died", "lost"} if workload["retry"] is None else {"died", "lost", "failed"}
    return [row["outcome"] for row in attempts[:-1] if row["outcome"] not in reasons]


def kept_promises(seen: Evidence) -> list[str]:
    """I6: whatever a caller was told is stored is stored."""
    return [f"{ack} was acknowledged, and is gone" for ack in seen.acks if _lost(seen, ack)]


def _lost(seen: Evidence, ack: str) -> bool:
    return read("evt", ack) not in seen.events


def no_hollow_promise(seen: Evidence) -> list[str]:
    """I7: who cannot record says so, and when to ask again, and hangs on nothing."""
    return [
        f"{call.status} after {call.took:.1f} s, Retry-After {call.retry_after}: {call.body!r}"
        for call in seen.refused
        if call.status != UNAVAILABLE or not call.retry_after or call.took > HANGS
    ]


# --- I8 to I14


def deduplication(seen: Evidence) -> list[str]:
    """I8: a happening is one event: no key twice, and each end of a followed run exactly once."""
    keys = Counter((row["trigger_id"], row["key"]) for row in seen.tables["events"] if row["key"])
    found = [f"{key} was accepted {count} times" for key, count in keys.items() if count > 1]
    told = Counter(_told(seen))
    wanted = set(_follow_ups(seen))
    found += [f"{end} was followed {count} times" for end, count in told.items() if count > 1]
    found += [f"{end} was not followed" for end in wanted - told.keys()]
    return found + [f"{end} was made up" for end in told.keys() - wanted]


def _told(seen: Evidence) -> Iterator[tuple[str, str, str]]:
    """Yield what events of followers say: by which trigger, the end of which run, and how."""
    for row in seen.tables["events"]:
        name = seen.names[row["trigger_id"]]
        facts = json.loads(row["facts"] or "{}")
        if name in seen.followed and "run" in facts:
            yield name, facts["run"], facts["state"]


def _follow_ups(seen: Evidence) -> Iterator[tuple[str, str, str]]:
    for number, run in seen.runs.items():
        word, cause = WORDS[run["state"]], seen.events.get(run["event_id"])
        facts = json.loads((cause and cause["facts"]) or "{}")
        for name, (workloads, ends) in seen.followed.items():
            ended = seen.names[run["workload_id"]] in workloads and word in ends
            if ended and facts.get("hops", 0) < MOST_HOPS:
                yield name, show("run", number), word


def isolation(seen: Evidence) -> list[str]:
    """I9: what fails or hangs does so alone: no run of another workload, and no match."""
    found = [
        f"{show('evt', row['event_id'])}: {row['outcome']}, {row['reason']}"
        for row in seen.tables["results"]
        if row["outcome"] in {"match_failed", "unknown_kind"}
    ]
    for row in seen.tables["attempts"]:
        wanted = {"failed": FAILING, "timed_out": HANGING}.get(row["outcome"])
        run = seen.runs.get(row["run_id"])
        name = None if run is None else seen.names[run["workload_id"]]
        if wanted is not None and name != wanted:
            found.append(f"{name}: {show('run', row['run_id'])} {row['outcome']}, {row['error']}")
        if row["outcome"] == "succeeded" and name in {FAILING, HANGING}:
            found.append(f"{name}: {show('run', row['run_id'])} succeeded")
    return found


def time(seen: Evidence) -> list[str]:
    """I10: nothing fires before its window, and nobody is ahead of the time."""
    found = [
        f"{show('evt', number)} was accepted in the future"
        for number, event in seen.events.items()
        if event["accepted_at"] > seen.read_at
    ]
    return found + [
        f"{seen.names[trigger]} fired {row['window_at'] - row['accepted_at']} µs early"
        for trigger, fires in seen.fires.items()
        for row in fires
        if row["window_at"] > row["accepted_at"]
    ]


def catch_up(seen: Evidence) -> list[str]:
    """I11: however long nobody decided, one decision fires once."""
    return [
        f"{seen.names[trigger]} fired {before['window_at']} and {after['window_at']} in one go"
        for trigger, fires in seen.fires.items()
        for before, after in pairwise(fires)
        if after["window_at"] <= before["accepted_at"]
    ]


def no_overlap(seen: Evidence) -> list[str]:
    """I12: no two attempts of one workload overlap, not even one that a dead server left."""
    found = []
    outcomes = {(row["run_id"], row["n"]): row["outcome"] for row in seen.tables["attempts"]}
    at_work: dict[str, Effect] = {}
    for effect in seen.effects:
        before = at_work.get(effect.workload)
        if effect.what == "end":
            if before is None or before[1:] != effect[1:]:
                found.append(f"{effect} while {before} was at work")
            at_work.pop(effect.workload, None)
            continue
        if before is not None and outcomes.get((before.run, before.attempt)) not in CUT_SHORT:
            found.append(f"{effect} while {before} was at work")
        at_work[effect.workload] = effect
    return found


def poison(seen: Evidence) -> list[str]:
    """I13: nothing innocent is given up, and nothing that may not run twice is run twice."""
    found = [
        f"{show('evt', row['event_id'])} was quarantined"
        for row in seen.tables["results"]
        if row["outcome"] == "quarantined"
    ]
    for number, run in seen.runs.items():
        outcomes = [row["outcome"] for row in seen.attempts.get(number, [])]
        deaths = outcomes.count("died")
        allowed = MOST_DEATHS
        if not seen.workloads[run["workload_id"]]["idempotent"]:
            deaths, allowed = deaths + outcomes.count("lost"), 1
        if (run["state"] == INTERRUPTED) != (deaths == allowed) or deaths > allowed:
            found.append(f"{show('run', number)} is {WORDS[run['state']]} after {outcomes}")
    return found


def bad_row(seen: Evidence) -> list[str]:
    """I14: a row that makes no sense is kept, shown as broken, and disturbs nobody."""
    rows = [row for name in ("triggers", "workloads", "bindings") for row in seen.tables[name]]
    broken = [row["name"] for row in rows if row["broken"] is not None]
    wanted = [BROKEN] if seen.timed else []
    return [] if broken == wanted else [f"broken are {broken}, not {wanted}"]


def newest_wins(seen: Evidence) -> list[str]:
    """Of a queue that keeps the newest, a newer event's run supersedes another, and only that."""
    found = [*_outdated(seen)]
    for number, run in seen.runs.items():
        by = seen.runs.get(run["superseded_by"])
        if run["state"] != SUPERSEDED and by is None:
            continue
        queue = seen.workloads[run["workload_id"]]["queue"]
        if by is None or by["event_id"] <= run["event_id"] or queue != "latest":
            found.append(f"{show('run', number)} was superseded by {run['superseded_by']}")
    return found


def _outdated(seen: Evidence) -> Iterator[str]:
    """Name runs that began again after a death, while a newer one was queued."""
    others: defaultdict[int, list[sqlite3.Row]] = defaultdict(list)
    for run in seen.runs.values():
        others[run["workload_id"]].append(run)
    for number, attempts in seen.attempts.items():
        run = seen.runs[number]
        if seen.workloads[run["workload_id"]]["queue"] != "latest":
            continue
        for died in attempts[:-1]:
            at = died["ended_at"]
            newer = [q for q in others[run["workload_id"]] if q["event_id"] > run["event_id"]]
            if any(q["queued_at"] < at < _left_queue(seen, q) for q in newer):
                yield f"{show('run', number)} began again though a newer run was queued"


def _left_queue(seen: Evidence, run: sqlite3.Row) -> int:
    attempts = seen.attempts.get(run["id"])
    return int(attempts[0]["started_at"] if attempts else run["ended_at"])


CHECKS: Mapping[str, Callable[[Evidence], list[str]]] = {
    "I1": accounting,
    "I2": no_phantom,
    "I3": fencing,
    "I4": settled,
    "I5": bounded_effects,
    "I6": kept_promises,
    "I7": no_hollow_promise,
    "I8": deduplication,
    "I9": isolation,
    "I10": time,
    "I11": catch_up,
    "I12": no_overlap,
    "I13": poison,
    "I14": bad_row,
    "queue": newest_wins,
}


def violations(seen: Evidence) -> dict[str, list[str]]:
    """Return what each invariant finds, and only those that find something."""
    found = {name: check(seen) for name, check in CHECKS.items()}
    return {name: problems for name, problems in found.items() if problems}
