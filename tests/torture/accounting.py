"""I1 of the checker: every window has one decision, every event one result for each binding."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.torture.evidence import Decided, Evidence
from tests.torture.load import Free, Minutes, Timed
from tinyforge.ids import show

SECOND = 1_000_000
MINUTE = 60 * SECOND
MOST_COUNTED = 100


def accounting(seen: Evidence) -> list[str]:
    """I1: no window lost, none decided twice; no event without one result for each binding."""
    return [*_windows(seen), *_results(seen)]


def _windows(seen: Evidence) -> Iterator[str]:
    epochs: defaultdict[int, list[sqlite3.Row]] = defaultdict(list)
    for row in seen.tables["epochs"]:
        epochs[row["trigger_id"]].append(row)
    for timing in seen.tables["timing"]:
        number = timing["trigger_id"]
        name = seen.names[number]
        if name not in seen.timed:
            continue
        if len(epochs[number]) != 1:
            yield f"{name}: {len(epochs[number])} epochs, though nobody edited it"
            continue
        decided = seen.decided.get(number, [])
        for words in _proof(seen.timed[name], epochs[number][0], timing, decided):
            yield f"{name}: {words}"


def _proof(
    timed: Timed, epoch: sqlite3.Row, timing: sqlite3.Row, decided: list[Decided]
) -> Iterator[str]:
    """Walk the windows of one schedule beside the decisions about them."""
    cursor, base, last = epoch["decided_from"], epoch["base"], None
    for one in decided:
        found = list(_between(timed, epoch, base, (cursor, one.newest)))
        if one.oldest <= cursor:
            yield f"decided twice: {one}"
        elif not found or (found[0], found[-1]) != (one.oldest, one.newest):
            yield f"windows {found[:1]} to {found[-1:]} were due, but {one} was decided"
        elif _counted(one) != (len(found) if len(found) <= MOST_COUNTED else None):
            yield f"{len(found)} windows were due, but {one} counts otherwise"
        cursor = max(cursor, one.newest)
        if one.last_fired_at is not None:
            last = one.last_fired_at
            base = last if isinstance(timed.meaning, Free) else base
    lost = list(_between(timed, epoch, base, (cursor, timing["decided_until"])))
    if lost:
        yield f"{len(lost)} windows from {lost[0]} on have no decision"
    if timing["last_fired_at"] != last:
        yield f"last_fired_at is {timing['last_fired_at']}, but the last fire stored {last}"


def _counted(one: Decided) -> int | None:
    return one.windows if one.windows is None or one.windows <= MOST_COUNTED else None


def _between(
    timed: Timed, epoch: sqlite3.Row, base: int, stretch: tuple[int, int]
) -> Iterator[int]:
    """Yield the windows after the first and up to the second of *stretch*."""
    after, until = stretch
    opening = epoch["opening"]
    if opening is not None and after < opening <= until:
        yield opening
        after = opening
    if isinstance(timed.meaning, Minutes):
        for at in _grid(0, MINUTE, (after, until)):
            if at // MINUTE % 60 in timed.meaning.minutes:
                yield at
    elif isinstance(timed.meaning, Free):
        yield from _grid(base, timed.meaning.step * SECOND, (max(after, base), until))
    else:
        origin = opening if timed.meaning.origin is None else timed.meaning.origin
        yield from _grid(origin, timed.meaning.step * SECOND, (after, until))


def _grid(origin: int, step: int, stretch: tuple[int, int]) -> Iterator[int]:
    after, until = stretch
    yield from range(origin + ((after - origin) // step + 1) * step, until + 1, step)


def _results(seen: Evidence) -> Iterator[str]:
    bound: defaultdict[int, set[int]] = defaultdict(set)
    for row in seen.tables["bindings"]:
        bound[row["trigger_id"]].add(row["id"])
    given: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for row in (*seen.tables["runs"], *seen.tables["results"]):
        given[row["event_id"]][row["binding_id"]] += 1
    for number, event in seen.events.items():
        wanted = Counter(bound[event["trigger_id"]])
        if event["fanned_at"] is None:
            yield f"{show('evt', number)} was never fanned out"
        elif given[number] != wanted:
            yield f"{show('evt', number)} has results {dict(given[number])}, not {dict(wanted)}"
    for number in given.keys() - seen.events.keys():
        yield f"{show('evt', number)} has results, but does not exist"
