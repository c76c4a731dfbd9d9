"""What comes to endpoints: verified, read, stored with others that came together, then decided.

Whoever gets an answer that says so may rely on it: it is stored, and will be decided.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tinyforge.clock import SECOND, Clock, Micros, Moment
from tinyforge.deliveries import REHEARSED, TRIED, Delivery, Ignored, Verified
from tinyforge.engine.endpoints import Endpoint
from tinyforge.engine.examining import LARGE, Examined, TurnedDown, examined
from tinyforge.engine.fanout import FanOut
from tinyforge.engine.payloads import PAYLOAD, payload_of
from tinyforge.engine.recent import Fresh, Recent
from tinyforge.engine.turning import Turning
from tinyforge.errors import StoreUnavailable
from tinyforge.model import BindingId, Event, EventId, Outcome, Result
from tinyforge.observe.events import (
    DeliveriesReceived,
    EventsAccepted,
    Observe,
    RecordingFailed,
)
from tinyforge.store.port import Arrival, Brought, Config, Fate, History, Received
from tinyforge.store.port import Inbox as InboxStore

TOGETHER = 500  # deliveries in one transaction
BYTES_TOGETHER = 16 << 20  # of their bodies, compressed
MOST_WAITING = 4_000
STORED_WITHIN = 4.0  # seconds: senders wait for five
LOOK_EVERY = 0.5  # seconds
AFTER_FAILURE: Micros = SECOND
MOST_NAMES = 100_000
LARGEST_FRESH = 1024  # bytes of facts that are kept in memory until the runs begin


class Told(StrEnum):
    """What a sender is told."""

    ACCEPTED = "accepted"
    NOTHING_MATCHED = "nothing_matched"
    IGNORED = "ignored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DISABLED = "disabled"
    REFUSED = "refused"
    PENDING = "pending"  # stored, and not decided in time for an answer


class Named(NamedTuple):
    """A binding by its name, and what was decided for it."""

    name: str
    result: Result


class Reception(Struct, frozen=True, kw_only=True):
    told: Told
    event_id: EventId | None = None
    bindings: Sequence[Named] = ()
    reason: str = ""
    status: int | None = None  # of what is refused: 400, 401, 415, or 503 where it is our fault
    counts: bool = True  # False: it proves nothing, or says nothing that could be read


class Notes(Protocol):
    """Whoever keeps what is known of the use of endpoints."""

    def used(self, endpoint: Endpoint, proof: Verified, at: Moment) -> None: ...

    def too_large(self, endpoint: Endpoint, size: int, at: Moment) -> None: ...


class Needs(InboxStore, Config, History, Protocol):
    """The roles that this room needs."""


class Decided(NamedTuple):
    """An event and its results; None: they were not there in time."""

    event_id: EventId
    results: Sequence[Result] | None


Answer: TypeAlias = StoreUnavailable | Received | Decided


class Waiting(NamedTuple):
    """One arrival whose sender waits for an answer."""

    endpoint: Endpoint
    arrival: Arrival
    since: float  # by the loop's clock
    answer: asyncio.Future[Answer]


class Undecided(NamedTuple):
    event: Event
    answer: asyncio.Future[Answer]


SAID: Mapping[Fate, Told] = {
    Fate.IGNORED: Told.IGNORED,
    Fate.DISABLED: Told.DISABLED,
    Fate.DUPLICATE: Told.DUPLICATE,
    Fate.CONFLICT: Told.CONFLICT,
}
OTHER_BODY = "this id came before with another body: kept, and not deployed"


@dataclass
class Inbox:
    store: Needs
    fanout: FanOut
    notes: Notes
    recent: Recent
    clock: Clock
    observe: Observe
    patience: float = 3.0  # seconds that an answer waits for the results
    _turning: Turning = field(init=False)
    _waiting: deque[Waiting] = field(default_factory=deque)
    _undecided: deque[Undecided] = field(default_factory=deque)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _accepted: asyncio.Event = field(default_factory=asyncio.Event)
    _names: dict[BindingId, str] = field(default_factory=dict)
    _batch: Sequence[Waiting] = ()  # on its way into the store
    _timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self._turning = Turning(self.clock, self.observe)

    # --- what a door calls

    async def receive(self, endpoint: Endpoint, delivery: Delivery, source: str) -> Reception:
        """Return when it is stored and decided, or stored; raise StoreUnavailable, then it is not.

        What proves nothing is refused, and nothing of it is kept.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise StoreUnavailable("more deliveries come than can be stored")
        if len(delivery.body) > LARGE:
            found = await asyncio.to_thread(examined, endpoint, delivery, source)
        else:
            found = examined(endpoint, delivery, source)
        if isinstance(found, Ignored):
            return Reception(told=Told.IGNORED, reason=found.because, counts=False)
        if isinstance(found, TurnedDown):
            self._turning.down(endpoint.trigger, found, source)
            return Reception(
                told=Told.REFUSED, reason=found.reason, status=found.status, counts=False
            )
        tried = delivery.headers.get(TRIED)
        if tried == REHEARSED:
            return await self._rehearsed(found.arrival, delivery)
        if tried is None:  # else it was us, and no sender has used the secret
            self.notes.used(endpoint, found.proof, delivery.at)
        return await self._keep(endpoint, found)

    def too_large(self, endpoint: Endpoint, size: int, source: str) -> None:
        """Note that a body was refused unread; *size*: as far as it is known."""
        reason = f"its body has {size} bytes or more"
        down = TurnedDown(status=413, why="too_large", reason=reason)
        self._turning.down(endpoint.trigger, down, source)
        self.notes.too_large(endpoint, size, self.clock.now())

    # --- its loops

    async def run(self) -> None:
        """Store what arrives, whatever has come together at once, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self.store_waiting()

    async def decide(self) -> None:
        """Fan out what is stored, until cancelled; where that fails, again a little later."""
        while True:
            await self._accepted.wait()
            self._accepted.clear()
            while self._undecided:
                if not await self.decide_stored():
                    await self.clock.wait(asyncio.Event(), AFTER_FAILURE)

    async def store_waiting(self) -> None:
        """Store one batch of what waits, in one transaction, and tell each what it was taken as."""
        self._batch = self._next_batch()
        try:
            if self._batch:
                await self._store(self._batch)
        except asyncio.CancelledError:
            _refuse(self._batch, "the server stops")
            raise
        finally:
            self._batch = ()

    async def decide_stored(self) -> bool:
        """Fan out one batch of what is stored; False where its results could not be."""
        count = min(len(self._undecided), TOGETHER)
        batch = [self._undecided.popleft() for _ in range(count)]
        try:
            results = await self.fanout.tell([one.event for one in batch])
        except StoreUnavailable as problem:
            self.observe(RecordingFailed(problem=problem.problem))
            self._undecided.extendleft(reversed(batch))
            return False
        for event, answer in batch:
            if event.id in results:
                _settle(answer, Decided(event.id, results[event.id]))
        return True

    async def _store(self, batch: Sequence[Waiting]) -> None:
        try:
            received = await self.store.receive([one.arrival for one in batch], self.clock.now())
        except StoreUnavailable as problem:
            self.observe(RecordingFailed(problem=problem.problem))
            _refuse(batch, problem.problem)
            return
        except Exception as bug:  # noqa: BLE001 - of one that a store cannot hold; the others can wait for no mending
            if len(batch) > 1:
                for one in batch:
                    await self._store([one])
                return
            self.observe(RecordingFailed(problem=f"a delivery cannot be stored: {bug!r}"))
            _refuse(batch, "this cannot be stored")
            return
        self._pass_on(batch, received)

    def _pass_on(self, batch: Sequence[Waiting], received: Sequence[Received]) -> None:
        """Answer what is decided with that, and have the rest decided."""
        self._announce(batch, received)
        accepted: list[Undecided] = []
        for one, taken in zip(batch, received, strict=True):
            if taken.event is None:
                _settle(one.answer, taken)
            else:
                accepted.append(Undecided(taken.event, one.answer))
        if accepted:
            self._hand_over(accepted)

    def _hand_over(self, accepted: Sequence[Undecided]) -> None:
        """Have them decided; those for which there is no room are found by a later sweep."""
        room = max(0, MOST_WAITING - len(self._undecided))
        self._undecided.extend(accepted[:room])
        self._accepted.set()
        asyncio.get_running_loop().call_later(self.patience, _wait_no_more, accepted)

    def _look_at_the_time(self) -> None:
        """Let nobody wait for longer than senders do."""
        loop = asyncio.get_running_loop()
        on_the_way = [*self._batch, *self._waiting]
        too_long = loop.time() - STORED_WITHIN
        _refuse([one for one in on_the_way if one.since <= too_long], "it takes too long")
        self._timer = loop.call_later(LOOK_EVERY, self._look_at_the_time) if on_the_way else None

    # --- one delivery

    async def _keep(self, endpoint: Endpoint, found: Examined) -> Reception:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append(Waiting(endpoint, found.arrival, loop.time(), answer))
        self._arrived.set()
        if self._timer is None:
            self._timer = loop.call_later(LOOK_EVERY, self._look_at_the_time)
        taken = await answer
        if isinstance(taken, StoreUnavailable):
            raise taken
        if isinstance(taken, Decided):
            return await self._answered(taken)
        if taken.undeployed and taken.event_id is not None:
            return await self._decided_anew(taken.event_id, found.arrival)
        reason = OTHER_BODY if taken.fate is Fate.CONFLICT else taken.reason
        return Reception(told=SAID[taken.fate], event_id=taken.event_id, reason=reason)

    async def _answered(self, decided: Decided) -> Reception:
        if decided.results is None:
            return Reception(told=Told.PENDING, event_id=decided.event_id)
        return await self._said(decided.event_id, decided.results)

    async def _said(self, event_id: EventId, results: Sequence[Result]) -> Reception:
        deployed = any(one.outcome is Outcome.MATCHED for one in results)
        return Reception(
            told=Told.ACCEPTED if deployed else Told.NOTHING_MATCHED,
            event_id=event_id,
            bindings=await self._named(results),
            reason="" if results else "the trigger is bound to no workload",
        )

    async def _decided_anew(self, event_id: EventId, arrival: Arrival) -> Reception:
        """Decide an event that queued no run under today's bindings, if that makes a difference."""
        before = (await self.store.results([event_id]))[event_id]
        if any(one.outcome is Outcome.QUARANTINED for one in before):  # it ended processes
            return Reception(told=Told.DUPLICATE, event_id=event_id)
        event = replace(await self.store.event(event_id), facts=arrival.facts)
        today = await self.fanout.rehearse(event)
        if _in_words(today) == _in_words(before):
            return await self._said(event_id, before)
        opened = await self.store.reopen(event_id, arrival.facts, self.clock.now())
        if opened is None:
            return Reception(told=Told.DUPLICATE, event_id=event_id)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._hand_over([Undecided(opened, answer)])
        decided = await answer
        return await self._answered(
            decided if isinstance(decided, Decided) else Decided(event_id, None)
        )

    async def _rehearsed(self, arrival: Arrival, delivery: Delivery) -> Reception:
        """Say what would be decided, and store nothing."""
        if arrival.fate is not Fate.ACCEPTED:
            return Reception(told=SAID[arrival.fate], reason=arrival.reason)
        payload = await payload_of(Brought(arrival.headers, delivery.body))
        event = Event(
            id=EventId(0),
            trigger_id=arrival.trigger_id,
            accepted_at=delivery.at,
            facts={**arrival.facts, PAYLOAD: payload},
        )
        said = await self._said(event.id, await self.fanout.rehearse(event))
        return replace(said, event_id=None)

    async def _named(self, results: Sequence[Result]) -> list[Named]:
        """Name the bindings of *results*; a name is for ever that of one binding's id."""
        missing = [one.binding_id for one in results if one.binding_id not in self._names]
        if missing:
            if len(self._names) > MOST_NAMES:
                self._names.clear()
            found = await self.store.names("binding", missing)
            self._names.update((BindingId(number), name) for number, name in found.items())
        return [Named(self._names.get(one.binding_id, ""), one) for one in results]

    # --- a batch

    def _next_batch(self) -> list[Waiting]:
        batch: list[Waiting] = []
        left = BYTES_TOGETHER
        while self._waiting and len(batch) < TOGETHER and left > 0:
            one = self._waiting.popleft()
            if one.answer.done():  # its sender is gone, or knows that it is not stored
                continue
            batch.append(one)
            left -= len(one.arrival.packed)
        return batch

    def _announce(self, batch: Sequence[Waiting], received: Sequence[Received]) -> None:
        """Say what was stored, before anybody is answered."""
        events = [(taken.event, one) for one, taken in zip(batch, received, strict=True)]
        fresh = [(event, one) for event, one in events if event is not None]
        if fresh:
            self.recent.note(_kept_for_runs(fresh))
            self.observe(EventsAccepted(events=[event.id for event, _ in fresh]))
        counts = Counter(
            (one.endpoint.trigger.kind, taken.fate)
            for one, taken in zip(batch, received, strict=True)
        )
        for (kind, fate), count in counts.items():
            self.observe(DeliveriesReceived(kind=kind, taken=fate.value, count=count))


def _kept_for_runs(events: Iterable[tuple[Event, Waiting]]) -> list[Fresh]:
    """Return those that are small enough to be kept in memory until their runs begin."""
    return [
        Fresh(event, one.endpoint.trigger.name, one.endpoint.trigger.kind)
        for event, one in events
        if _is_small(event)
    ]


def _is_small(event: Event) -> bool:
    return len(msgspec.json.encode(event.facts)) <= LARGEST_FRESH


def _in_words(results: Sequence[Result]) -> list[tuple[BindingId, Outcome, str]]:
    return sorted((one.binding_id, one.outcome, one.reason) for one in results)


def _refuse(batch: Iterable[Waiting], why: str) -> None:
    for one in batch:
        _settle(one.answer, StoreUnavailable(why))


def _wait_no_more(accepted: Sequence[Undecided]) -> None:
    for event, answer in accepted:
        _settle(answer, Decided(event.id, None))


def _settle(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)
