"""What a webhook brings: one shape for every provider. The contract of receiving trigger kinds.

`docs/reference/event.md` describes it for users; match rules and `when:` read nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from msgspec import Struct

from tinyforge.clock import Moment

EVENTS = ("push", "tag", "create", "delete", "release", "workflow", "image", "ping")


class Change(Struct, frozen=True, kw_only=True):
    """One ref, tag or image that changed. Absent text is `""`."""

    event: str  # one of EVENTS
    repository: str = ""  # owner/name as the provider writes it; of registries the image's name
    ref: str = ""  # whole: refs/heads/main
    branch: str = ""
    tag: str = ""  # of a forge or of an image
    commit: str = ""
    previous: str = ""  # commit before; "" where there was none
    created: bool = False
    deleted: bool = False
    forced: bool = False
    files: Sequence[str] | None = None  # changed paths over all commits; None: unknown
    message: str = ""  # of the newest commit
    pusher: str = ""
    image: str = ""  # host/name without a tag
    digest: str = ""  # sha256:…


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


class Ignored(Struct, frozen=True, kw_only=True):
    """Nothing that anybody could deploy on; *because* is answered to the sender and shown."""

    because: str
    delivery_id: str = ""


class Refused(Struct, frozen=True, kw_only=True):
    """Not what this provider sends. *status* is 400, 401, 413 or 415."""

    status: int
    because: str


class Receives(Protocol):
    """A trigger kind with an endpoint."""

    fills: ClassVar[frozenset[str]]  # the keys of a match rule that its changes can answer
    usual_events: ClassVar[tuple[str, ...]]  # where a rule names no `events`

    def verify(self, delivery: Delivery) -> Refused | None:
        """Check the signature or token over the raw bytes, in constant time; None: it is proved."""
        ...

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        """Parse a verified delivery. Total: whatever the body holds, it returns one of the three."""
        ...
