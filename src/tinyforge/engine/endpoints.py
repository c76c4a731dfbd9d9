"""Who takes what comes in below /hooks/, found by the id in the path, and what is noted of it."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from tinyforge.clock import SECOND, Clock, Micros, Moment
from tinyforge.deliveries import Receives, Verified
from tinyforge.errors import InvalidConfig, StoreUnavailable, UnknownKind
from tinyforge.model import Trigger, TriggerId
from tinyforge.plugins import Plugins
from tinyforge.store.port import (
    Endpoints,
    EndpointUse,
    FoundEndpoint,
    Schedules,
    path_digest,
)

PATH_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")
MOST_KEPT = 20_000  # endpoints of one generation of the config, in memory
MOST_LOOKS = 2  # into the database at once: whoever guesses ids keeps nobody else waiting
NOTED_EVERY: Micros = 2 * SECOND
NOBODY_KNOWS = 1 << 20  # bytes; of a trigger whose kind cannot tell


class Endpoint(Struct, frozen=True, kw_only=True):
    trigger: Trigger
    kind: Receives | None  # None: the trigger is broken
    max_body: int  # bytes
    unsigned: bool
    enabled: bool


class DirectoryStore(Endpoints, Schedules, Protocol):
    """The roles that this room needs."""


class KnowsSecrets(Protocol):
    async def refresh(self) -> None:
        """Know what is sealed in the config in force."""
        ...


@dataclass
class Directory:
    """Endpoints of the config in force, each read when it is first asked for.

    An id that is not known costs one look into the database, whatever it resembles; so one that
    another replica has just made is found at once.
    """

    store: DirectoryStore
    plugins: Plugins
    secrets: KnowsSecrets
    clock: Clock
    patience: float = 3.0  # seconds: senders wait for five
    _looks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_LOOKS))
    _generation: int | None = None
    _kept: dict[bytes, Endpoint] = field(default_factory=dict)
    _uses: dict[TriggerId, EndpointUse] = field(default_factory=dict)
    _noted: asyncio.Event = field(default_factory=asyncio.Event)
    _never: asyncio.Event = field(default_factory=asyncio.Event)

    async def find(self, path_id: str) -> Endpoint | None:
        """Return whose endpoint this is; StoreUnavailable where nobody can tell."""
        if not PATH_ID.fullmatch(path_id):
            return None
        sha256 = path_digest(path_id)
        if self.store.known_generation() == self._generation and sha256 in self._kept:
            return self._kept[sha256]
        try:
            async with asyncio.timeout(self.patience):
                return await self._find(sha256)
        except TimeoutError:
            raise StoreUnavailable("it takes too long to look for an endpoint") from None

    async def _find(self, sha256: bytes) -> Endpoint | None:
        generation = await self._follow()
        if (kept := self._kept.get(sha256)) is not None:
            return kept
        async with self._looks:
            found = await self.store.endpoint_at(sha256)
        if found is None:
            return None
        await self.secrets.refresh()  # another replica may have sealed its secret just now
        endpoint = self._built(found)
        if (
            endpoint is not None and generation == self._generation
        ):  # else it may be of the config before
            self._kept[sha256] = endpoint
        return endpoint

    def used(self, endpoint: Endpoint, proof: Verified, at: Moment) -> None:
        """Note which secret of the trigger proved a delivery."""
        if proof.secret is None:
            return
        use = self._use(endpoint.trigger)
        if proof.secret:
            self._uses[use.trigger_id] = use._replace(second_used_at=at)
        else:
            self._uses[use.trigger_id] = use._replace(first_used_at=at)

    def too_large(self, endpoint: Endpoint, size: int, at: Moment) -> None:
        """Note that a body of *size* bytes, as far as they are known, was refused."""
        use = self._use(endpoint.trigger)
        self._uses[use.trigger_id] = use._replace(refused_at=at, refused_size=size)

    async def run(self) -> None:
        """Store what was noted, again and again, until cancelled."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            await self.clock.wait(self._never, NOTED_EVERY)
            with suppress(StoreUnavailable):  # the ticker says it; the newest use is kept
                await self.flush()

    async def flush(self) -> None:
        """Store what was noted since the last time."""
        if not self._uses:
            return
        uses, self._uses = self._uses, {}
        try:
            await self.store.note_endpoint_uses(list(uses.values()))
        except StoreUnavailable:
            for use in uses.values():
                self._uses[use.trigger_id] = _both(use, self._uses.get(use.trigger_id, use))
            self._noted.set()
            raise

    async def _follow(self) -> int:
        """Forget what is of a config before, and return the generation of the one in force."""
        generation = self.store.known_generation()
        if generation is None:
            generation = await self.store.generation()
        if generation != self._generation:
            await self.secrets.refresh()  # before anybody is proved by what it knows
        if generation != self._generation or len(self._kept) >= MOST_KEPT:
            self._kept.clear()
            self._generation = generation
        return generation

    def _built(self, found: FoundEndpoint) -> Endpoint | None:
        """Return nothing where a hand has given the trigger a kind that takes no deliveries."""
        trigger = found.trigger
        is_known = trigger.kind in self.plugins.trigger_kinds()
        if not trigger.broken and is_known and not self.plugins.receives(trigger.kind):
            return None
        kind = self._kind(trigger)
        return Endpoint(
            trigger=trigger,
            kind=kind,
            max_body=kind.largest_body if kind else NOBODY_KNOWS,
            unsigned=found.row.unsigned,
            enabled=trigger.enabled,
        )

    def _kind(self, trigger: Trigger) -> Receives | None:
        if trigger.broken:
            return None
        try:
            kind = self.plugins.trigger(trigger.kind, trigger.config)
        except (InvalidConfig, UnknownKind):
            return None
        return kind if isinstance(kind, Receives) else None

    def _use(self, trigger: Trigger) -> EndpointUse:
        self._noted.set()
        noted = self._uses.get(trigger.id)
        if noted is None or noted.revision_id != trigger.revision_id:
            noted = EndpointUse(trigger.id, trigger.revision_id, None, None, None, None)
        return noted


def _both(before: EndpointUse, after: EndpointUse) -> EndpointUse:
    """Return the newest of each; the secrets of another revision are other secrets."""
    if after.revision_id != before.revision_id:
        return after
    return EndpointUse(
        trigger_id=after.trigger_id,
        revision_id=after.revision_id,
        first_used_at=after.first_used_at or before.first_used_at,
        second_used_at=after.second_used_at or before.second_used_at,
        refused_at=after.refused_at or before.refused_at,
        refused_size=after.refused_size or before.refused_size,
    )
