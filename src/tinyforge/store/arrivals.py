"""What becomes of deliveries that arrive together: pure, and the same for every store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from backports import zstd
from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.ids import Ids
from tinyforge.model import BindingId, DeliveryId, Event, EventId, Outcome, Result, TriggerId
from tinyforge.store.port import Arrival, Brought, Decision, DeliveryRow, Fate, Received

Row: TypeAlias = tuple[Any, ...]
Key: TypeAlias = tuple[int, str]

MOST_DECISIONS = 100  # of one delivery, and of one event
DELIVERY_COLUMNS = (
    "id, trigger_id, key, received_at, decided_at, fate, reason, event_id, digest, bytes, source,"
    " secret, headers"
)


class Known(NamedTuple):
    """A delivery that is stored: what it is known by, and what came of it."""

    trigger_id: int
    key: str  # or its content
    number: int
    digest: str | None  # None: only its event is kept
    fate: str
    reason: str | None
    decided_at: Moment
    event_id: int | None
    fanned: int  # its event has its results
    deployed: int  # its event has a run
    decisions: int  # before this one


class Retaken(NamedTuple):
    """A delivery that was no event, taken as something else."""

    number: int
    fate: str
    reason: str | None
    event_id: int | None
    n: int  # of the decision that this ends
    decided_at: Moment
    before: str
    because: str | None


@dataclass
class Sorted:
    """What one transaction stores of some arrivals, and what is said of each."""

    received: list[Received] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    bodies: list[tuple[int, Moment, int, bytes]] = field(default_factory=list)
    contents: list[tuple[int, str, Moment, int]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    retaken: list[Retaken] = field(default_factory=list)


def key_of(arrival: Arrival) -> str | None:
    return f"d{arrival.delivery_id}" if arrival.delivery_id else None


def keys_of(arrivals: Iterable[Arrival]) -> list[Key]:
    """Return what to look for among the deliveries."""
    return sorted({(a.trigger_id, key) for a in arrivals if (key := key_of(a)) is not None})


def contents_of(arrivals: Iterable[Arrival]) -> list[Key]:
    """Return what to look for among the contents of a moment ago."""
    return sorted({(a.trigger_id, a.content) for a in arrivals if _counts_by_content(a)})


def conflicts_of(arrivals: Iterable[Arrival], known: Mapping[Key, Known]) -> list[Key]:
    """Return what to look for of ids that come with another body than before."""
    first = {key: one.digest for key, one in known.items() if one.digest is not None}
    found: set[Key] = set()
    for arrival in arrivals:
        key = key_of(arrival)
        if key is None:
            continue
        if first.setdefault((arrival.trigger_id, key), arrival.digest) != arrival.digest:
            found.add((arrival.trigger_id, _conflict_key(arrival)))
    return sorted(found)


def _conflict_key(arrival: Arrival) -> str:
    return f"x{arrival.delivery_id}:{arrival.digest}"


def _counts_by_content(arrival: Arrival) -> bool:
    return bool(arrival.content) and arrival.fate is Fate.ACCEPTED


def by_key(rows: Iterable[Row]) -> dict[Key, Known]:
    known = map(Known._make, rows)
    return {(one.trigger_id, one.key): one for one in known}


class Sorter:
    """Takes arrivals in their order; each is known to those behind it."""

    def __init__(
        self, keys: dict[Key, Known], contents: dict[Key, Known], ids: Ids, now: Moment
    ) -> None:
        self._keys, self._contents, self._ids, self._now = keys, contents, ids, now
        self.sorted = Sorted()

    def take(self, arrivals: Sequence[Arrival]) -> Sorted:
        for arrival in arrivals:
            self.sorted.received.append(self._take(arrival))
        return self.sorted

    def _take(self, arrival: Arrival) -> Received:
        key = key_of(arrival)
        known = None if key is None else self._keys.get((arrival.trigger_id, key))
        if known is not None:
            if known.digest not in {None, arrival.digest}:
                return self._conflict(arrival, known)
            return self._repeated(arrival, known)
        same = None
        if _counts_by_content(arrival):
            same = self._contents.get((arrival.trigger_id, arrival.content))
        if same is None:
            return self._new(arrival, key)
        return self._repeated(arrival, same) if key is None else self._same(arrival, key, same)

    def _new(self, arrival: Arrival, key: str | None) -> Received:
        number, event = self._next(), self._event(arrival, key)
        event_id = None if event is None else event.id
        self._store(arrival, number, key, arrival.fate, event_id)
        known = self._known(arrival, key or "", number, event_id)
        if key is not None:
            self._keys[arrival.trigger_id, key] = known
        if _counts_by_content(arrival):
            self._contents[arrival.trigger_id, arrival.content] = known
            row = (arrival.trigger_id, arrival.content, arrival.content_until, number)
            self.sorted.contents.append(row)
        return Received(
            number=DeliveryId(number),
            fate=arrival.fate,
            reason=arrival.reason,
            event_id=event_id,
            event=event,
        )

    def _same(self, arrival: Arrival, key: str, same: Known) -> Received:
        """Keep under its own id what has the content of an event before."""
        number = self._next()
        self._store(arrival, number, key, Fate.DUPLICATE, same.event_id)
        self._keys[arrival.trigger_id, key] = same._replace(
            key=key, number=number, digest=arrival.digest, fate=Fate.DUPLICATE, deployed=1
        )
        return _duplicate(same)

    def _conflict(self, arrival: Arrival, known: Known) -> Received:
        key = (arrival.trigger_id, _conflict_key(arrival))
        before = self._keys.get(key)
        if before is None:
            number = self._next()
            self._store(arrival, number, key[1], Fate.CONFLICT, known.event_id)
            before = self._keys[key] = known._replace(key=key[1], number=number)
        event_id = None if known.event_id is None else EventId(known.event_id)
        return Received(number=DeliveryId(before.number), fate=Fate.CONFLICT, event_id=event_id)

    def _repeated(self, arrival: Arrival, known: Known) -> Received:
        if known.event_id is None:
            return self._retake(arrival, known)
        undeployed = bool(known.fanned and not known.deployed) and arrival.fate is Fate.ACCEPTED
        return replace(_duplicate(known), undeployed=undeployed)

    def _retake(self, arrival: Arrival, known: Known) -> Received:
        """Decide anew what was no event; what it was before is kept, if that is something else."""
        is_same = (arrival.fate, arrival.reason) == (known.fate, known.reason or "")
        was_now = any(one.number == known.number for one in self.sorted.retaken)
        if is_same or was_now or known.decisions >= MOST_DECISIONS:
            number = DeliveryId(known.number)
            return Received(number=number, fate=Fate(known.fate), reason=known.reason or "")
        event = self._event(arrival, key_of(arrival))
        event_id = None if event is None else event.id
        ended = (known.decisions, known.decided_at, known.fate, known.reason)
        now_is = (known.number, arrival.fate.value, arrival.reason or None, event_id)
        self.sorted.retaken.append(Retaken(*now_is, *ended))
        self._keys[arrival.trigger_id, known.key] = known._replace(
            fate=arrival.fate,
            reason=arrival.reason,
            event_id=event_id,
            decided_at=self._now,
            decisions=known.decisions + 1,
        )
        return Received(
            number=DeliveryId(known.number),
            fate=arrival.fate,
            reason=arrival.reason,
            event_id=event_id,
            event=event,
        )

    def _event(self, arrival: Arrival, key: str | None) -> Event | None:
        if arrival.fate is not Fate.ACCEPTED:
            return None
        number = self._next()
        event = Event(
            id=EventId(number),
            trigger_id=arrival.trigger_id,
            accepted_at=self._now,
            key=key or f"m{number}",
            facts=arrival.facts,
        )
        self.sorted.events.append(event)
        return event

    def _store(
        self, arrival: Arrival, number: int, key: str | None, fate: Fate, event_id: int | None
    ) -> None:
        moments = (self._now, self._now)
        taken = (fate.value, arrival.reason or None, event_id)
        came = (arrival.digest, arrival.size, arrival.source or None, arrival.secret)
        row = (number, arrival.trigger_id, key, *moments, *taken, *came, arrival.headers)
        self.sorted.deliveries.append(row)
        self.sorted.bodies.append((number, self._now, len(arrival.packed), arrival.packed))

    def _known(self, arrival: Arrival, key: str, number: int, event_id: int | None) -> Known:
        taken = (arrival.fate.value, arrival.reason or None, self._now, event_id)
        return Known(arrival.trigger_id, key, number, arrival.digest, *taken, 0, 0, 0)

    def _next(self) -> int:
        return self._ids.next(self._now)


def _duplicate(known: Known) -> Received:
    event_id = None if known.event_id is None else EventId(known.event_id)
    return Received(number=DeliveryId(known.number), fate=Fate.DUPLICATE, event_id=event_id)


def delivery_of(row: Row) -> DeliveryRow:
    (number, trigger, key, received, decided, fate, reason, event) = row[:8]
    (digest, size, source, secret, headers) = row[8:]
    return DeliveryRow(
        id=DeliveryId(number),
        trigger_id=TriggerId(trigger),
        received_at=received,
        decided_at=decided,
        fate=Fate(fate),
        reason=reason or "",
        delivery_id=_id_in(key or ""),
        event_id=None if event is None else EventId(event),
        digest=digest,
        size=size,
        source=source or "",
        secret=secret,
        headers=headers,
    )


def brought_of(rows: Iterable[Row]) -> dict[DeliveryId, Brought]:
    """Return headers and bodies by the delivery; unpacking takes long, and is not for a loop."""
    return {
        DeliveryId(number): Brought(headers, zstd.decompress(packed))
        for number, headers, packed in rows
    }


def _id_in(key: str) -> str:
    return key[1:].rpartition(":")[0] if key.startswith("x") else key[1:]


def decisions_of(rows: Iterable[Row], results: Iterable[Row]) -> list[Decision]:
    """Return decisions by their moment; *results* are led by what they are of, and the number."""
    found: dict[tuple[int, int], list[Result]] = {}
    for of_id, number, binding, outcome, reason in results:
        result = Result(
            binding_id=BindingId(binding), outcome=Outcome(outcome), reason=reason or ""
        )
        found.setdefault((of_id, number), []).append(result)
    return [
        Decision(
            decided_at=decided_at,
            fate=Fate(fate),
            reason=reason or "",
            facts=facts,
            results=found.get((of_id, number), ()),
        )
        for of_id, number, decided_at, fate, reason, facts in rows
    ]
