"""Trigger kind `ghcr`: container packages of GitHub, by its webhooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, ClassVar

from msgspec import Meta

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Receives, Refused, Verified
from tinyforge.inbound.forge import Outcome
from tinyforge.inbound.images import REGISTRY_KEYS
from tinyforge.inbound.packages import package
from tinyforge.inbound.proof import MEANING, SecretConfig, refuse, wrong_secret
from tinyforge.inbound.samples import unsaid
from tinyforge.triggers.github import (
    ping,
    read_github,
    sample_github,
    setup_github,
    verify_github,
)

READERS: Mapping[str, Callable[[object], Outcome]] = MappingProxyType(
    {"package": package, "registry_package": package, "ping": ping}
)


@dataclass(frozen=True, kw_only=True)
class Ghcr(Receives):
    """Takes `package` and `registry_package`; both, for one push, are one event."""

    fills: ClassVar[frozenset[str]] = REGISTRY_KEYS
    usual_events: ClassVar[tuple[str, ...]] = ("image",)
    sends: ClassVar[tuple[str, ...]] = ("image", "ping")

    secret: Annotated[SecretConfig, Meta(description=MEANING)] = field(repr=False)

    def __post_init__(self) -> None:
        refuse([*self.wrong_body(), *wrong_secret(self.secret)])

    def verify(self, delivery: Delivery) -> Verified | Refused:
        return verify_github(self.secret, delivery)

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        return read_github(delivery, READERS)

    def setup(self, url: str) -> Sequence[str]:
        return setup_github(url, self.secret, "let me select individual events, then Packages")

    def sample(self, change: Change, at: Moment) -> Delivery:
        if change.event not in self.sends:
            raise unsaid(change, self.sends)
        return sample_github(change, at, self.secret)
