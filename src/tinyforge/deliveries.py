"""What a webhook brings: one shape for every provider. The contract of receiving trigger kinds.

`docs/reference/event.md` describes it for users. What changed is a `Change`, as match rules see it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec import Struct

from tinyforge.changes import EVENTS, Change
from tinyforge.clock import MINUTE, Micros, Moment
from tinyforge.kinds import Matcher, TriggerKind
from tinyforge.model import Json
from tinyforge.rules import compile_rule

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


class Receives(TriggerKind, ABC):
    """A trigger kind with an endpoint."""

    fills: ClassVar[frozenset[str]]  # the keys of a match rule that its changes can answer
    usual_events: ClassVar[tuple[str, ...]]  # where a rule names no `events`

    def matcher(self, rule: Json) -> Matcher:
        return compile_rule(rule, self.fills, self.usual_events)

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
