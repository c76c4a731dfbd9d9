"""A delivery is verified, then read: what it is, before anything of it is stored."""

from __future__ import annotations

import hashlib
from typing import Protocol

from backports import zstd
from msgspec import Struct

from tinyforge.deliveries import Accepted, Delivery, Ignored, Receives, Refused, Verified
from tinyforge.engine.facts import facts_of
from tinyforge.engine.headers import kept_headers
from tinyforge.errors import Unresolved
from tinyforge.model import Json, Trigger
from tinyforge.store.port import Arrival, Fate

LONGEST_CONTENT = 200  # characters; longer ones are known by their digest
TOO_LARGE = "its changes are larger than 256 KiB of JSON"
DISABLED = "the trigger is disabled"
LACKS_SECRET = "the trigger's secret has no value on the server"  # noqa: S105 - it says so itself
LEVEL = 1  # of zstd: bodies are many, and short
LARGE = 256 * 1024  # bytes of a body that is read beside everything else
COMPRESSOR = zstd.ZstdCompressor(level=LEVEL)  # of the loop's thread, where small ones are read


class Endpoint(Protocol):
    @property
    def trigger(self) -> Trigger: ...
    @property
    def kind(self) -> Receives | None: ...
    @property
    def enabled(self) -> bool: ...


class TurnedDown(Struct, frozen=True, kw_only=True):
    """Nothing of it is stored. *why* is a word for the metric."""

    status: int
    why: str
    reason: str  # for the sender
    problem: str = ""  # for the log alone


class Examined(Struct, frozen=True, kw_only=True):
    proof: Verified
    arrival: Arrival


WHY = {400: "content", 401: "proof", 415: "content_type"}


def examined(
    endpoint: Endpoint, delivery: Delivery, source: str
) -> Examined | Ignored | TurnedDown:
    """Return what *delivery* is; Ignored: nothing is proved, nothing to keep, and all is well."""
    kind = endpoint.kind
    if kind is None:
        return TurnedDown(status=503, why="broken", reason="the trigger is broken")
    try:
        proof = kind.verify(delivery)
        if isinstance(proof, Verified):
            found = kind.read(delivery)
            return found_to_be(endpoint, delivery, proof, found, source)
    except Unresolved as problem:
        return TurnedDown(status=503, why="unresolved", reason=LACKS_SECRET, problem=str(problem))
    except Exception as bug:  # noqa: BLE001 - plugin code; its bug is no reason to end a server
        problem_text = f"{type(bug).__name__}: {bug}"
        reason = "the trigger's kind has a bug"
        return TurnedDown(status=503, why="bug", reason=reason, problem=problem_text)
    return _turned_down(proof) if isinstance(proof, Refused) else proof


def found_to_be(
    endpoint: Endpoint,
    delivery: Delivery,
    proof: Verified,
    found: Accepted | Ignored | Refused,
    source: str,
) -> Examined | TurnedDown:
    if isinstance(found, Refused):
        return _turned_down(found)
    fate, reason, facts = _fate(endpoint, found)
    proofs = endpoint.kind.proofs if endpoint.kind else ()
    arrival = Arrival(
        trigger_id=endpoint.trigger.id,
        fate=fate,
        reason=reason,
        delivery_id=found.delivery_id,
        content=_short(found.content_key) if isinstance(found, Accepted) else "",
        content_until=delivery.at + found.content_for if isinstance(found, Accepted) else 0,
        facts=facts,
        digest=hashlib.sha256(delivery.body).hexdigest(),
        size=len(delivery.body),
        packed=_packed(delivery.body),
        headers=kept_headers(delivery.headers, proofs),
        source=source,
        secret=proof.secret,
    )
    return Examined(proof=proof, arrival=arrival)


def _fate(endpoint: Endpoint, found: Accepted | Ignored) -> tuple[Fate, str, Json]:
    if not endpoint.enabled:
        return Fate.DISABLED, DISABLED, {}
    if isinstance(found, Ignored):
        return Fate.IGNORED, found.because, {}
    facts = facts_of(found.changes)
    if facts is None:
        return Fate.IGNORED, TOO_LARGE, {}
    return Fate.ACCEPTED, "", facts


def _turned_down(refused: Refused) -> TurnedDown:
    why = WHY.get(refused.status, "content")
    return TurnedDown(status=refused.status, why=why, reason=refused.because)


def _packed(body: bytes) -> bytes:
    if len(body) > LARGE:
        return zstd.compress(body, LEVEL)
    return COMPRESSOR.compress(body, COMPRESSOR.FLUSH_FRAME)


def _short(content: str) -> str:
    if len(content) <= LONGEST_CONTENT:
        return content
    return f"sha256:{hashlib.sha256(content.encode(errors='surrogatepass')).hexdigest()}"
