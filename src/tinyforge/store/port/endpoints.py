"""Where triggers take deliveries, and what is known of their use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from tinyforge.clock import Moment
from tinyforge.model import RevisionId, Trigger, TriggerId


def path_digest(path_id: str) -> bytes:
    """Return what an endpoint is found by; its id itself need not be stored."""
    return hashlib.sha256(path_id.encode(errors="surrogatepass")).digest()


class EndpointRow(Struct, frozen=True, kw_only=True):
    """The endpoint of one trigger.

    Its id is in *path*, or where it is a secret in *sealed*; *written* is the reference that the
    config names instead, and then it is in neither.
    """

    trigger_id: TriggerId
    sha256: bytes  # of the id
    path: str | None = None
    sealed: bytes | None = None
    written: str | None = None
    unsigned: bool  # its senders prove themselves by nothing but the URL
    generated: bool
    made_at: Moment
    used: tuple[Moment | None, Moment | None] = (None, None)  # last, of each secret
    refused_at: Moment | None = None  # last, for its size
    refused_size: int | None = None  # bytes


class EndpointWrite(Struct, frozen=True, kw_only=True):
    """An endpoint as it shall be; None: the trigger takes deliveries no more."""

    trigger_id: TriggerId
    row: EndpointRow | None


class EndpointUse(NamedTuple):
    """What happened at an endpoint meanwhile; None: nothing of the kind."""

    trigger_id: TriggerId
    revision_id: RevisionId | None  # by which the secrets are counted
    first_used_at: Moment | None
    second_used_at: Moment | None
    refused_at: Moment | None
    refused_size: int | None


class FoundEndpoint(NamedTuple):
    row: EndpointRow
    trigger: Trigger


class Endpoints(Protocol):
    async def endpoint_at(self, sha256: bytes) -> FoundEndpoint | None:
        """Return the endpoint whose id has this digest, with its trigger, unless that is gone."""
        ...

    async def endpoints_of(self, trigger_ids: Sequence[TriggerId]) -> dict[TriggerId, EndpointRow]:
        """Return the endpoints of those of these triggers that have one."""
        ...

    async def note_endpoint_uses(self, uses: Sequence[EndpointUse]) -> None:
        """Keep the newest use of each; nothing of a trigger that has another revision by now."""
        ...
