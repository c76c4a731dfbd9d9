"""What a webhook brings: one shape for every provider. The contract of receiving trigger kinds.

`docs/reference/event.md` describes it for users. What changed is a `Change`, as match rules see it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from tinyforge.changes import EVENTS, Change
from tinyforge.clock import MINUTE, Micros, Moment
from tinyforge.kinds import Matcher, TriggerKind
from tinyforge.model import Json
from tinyforge.rules import compile_rule
from tinyforge.sizes import read_size

__all__ = [
    "EVENTS",
    "Accepted",
    "Change",
    "Delivery",
    "Ignored",
    "Receives",
    "Refused",
    "Verified",
]


class Delivery(Struct, frozen=True, kw_only=True):
    """One HTTP request as it came: header names in lower case, the body's bytes untouched."""

    headers: Mapping[str, str]
    body: bytes
    at: Moment


class Accepted(Struct, frozen=True, kw_only=True):
    """An event with what it changed, in the provider's order; at least one change."""

    changes: Sequence[Change]
    delivery_id: str = ""  # the provider's; "" where it sends none: *content_key* tells them apart
    content_key: str = ""
    content_for: Micros = MINUTE  # how long an equal *content_key* is the same event


class Ignored(Struct, frozen=True, kw_only=True):
    """Nothing that anybody could deploy on; *because* is answered to the sender and shown."""

    because: str
    delivery_id: str = ""


class Refused(Struct, frozen=True, kw_only=True):
    """Not what this provider sends. *status* is 400, 401 or 415."""

    status: int
    because: str


class Verified(Struct, frozen=True, kw_only=True):
    """The sender proved itself by the trigger's *secret*, counted from 0; None: it has none."""

    secret: int | None = None


# A header of samples that we send ourselves. A sender that proves itself may have its delivery
# rehearsed: verified, read and decided, but not stored and not deployed.
TRIED, REHEARSED, DEPLOYED = "x-tinyforge-sample", "rehearse", "deploy"
LARGEST_BODY = 64 << 20  # bytes; no config may ask for more


@dataclass(frozen=True, kw_only=True)
class Receives(TriggerKind, ABC):
    """A trigger kind with an endpoint."""

    fills: ClassVar[frozenset[str]]  # the keys of a match rule that its changes can answer
    usual_events: ClassVar[tuple[str, ...]]  # where a rule names no `events`
    sends: ClassVar[tuple[str, ...]] = EVENTS  # those that its changes can be
    usual_body: ClassVar[int] = 1 << 20  # bytes; what is taken where the config says nothing

    max_body: Annotated[str | int | None, Meta(description="the largest body taken")] = None

    def __post_init__(self) -> None:
        found = "\n".join(self.wrong_body())
        if found:
            raise ValueError(found)

    def wrong_body(self) -> Iterator[str]:
        """Yield what is wrong with `max_body`; a `__post_init__` of a kind's own says it too."""
        try:
            if not 0 < self.largest_body <= LARGEST_BODY:
                yield "max_body: must be from 1 B to 64MiB"
        except ValueError as problem:
            yield f"max_body: {problem}"

    @property
    def largest_body(self) -> int:
        """Return how many bytes of a body are taken."""
        return self.usual_body if self.max_body is None else read_size(str(self.max_body))

    def sent(self) -> Sequence[str]:
        """Return the events that its changes can be; the one that is usual comes first."""
        return self.sends

    def matcher(self, rule: Json) -> Matcher:
        return compile_rule(rule, self.fills, self.usual_events, self.sent())

    @property
    def proofs(self) -> Collection[str]:
        """Return headers that prove something, and whose names do not say so: in lower case."""
        return ()

    @property
    def is_unsigned(self) -> bool:
        """Say whether its senders prove themselves by nothing but a secret URL."""
        return False

    @abstractmethod
    def verify(self, delivery: Delivery) -> Verified | Ignored | Refused:
        """Check the signature or token over the raw bytes, in constant time.

        Ignored: nothing is proved and nothing is to be kept, but the sender expects a 2xx. Raises
        Unresolved where no secret proves it and one of them has no value: not the sender's fault.
        A secret that is a `${file:…}` is read from disk.
        """

    @abstractmethod
    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        """Parse a verified delivery. Total: whatever it holds, one of the three is returned."""

    def setup(self, url: str) -> Sequence[str]:
        """Say, click by click, what to enter at the provider so that it calls *url*.

        A step may go on in further lines, of a file to be copied.
        """
        return (f"have your provider send its webhooks to {url}, by POST",)

    def sample(self, change: Change, at: Moment) -> Delivery:  # noqa: ARG002 - says nothing of it
        """Return what the provider would send of *change* at *at*, signed with the first secret.

        `verify` and `read` take it. Raises ValueError where the provider never says such a thing,
        Unresolved where the secret has no value.
        """
        raise ValueError("its kind brings no sample; have its provider send something")
