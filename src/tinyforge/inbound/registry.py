"""What registries can prove: nothing, or that they know a fixed `Authorization`."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from msgspec import Meta

from tinyforge.deliveries import Delivery, Receives, Refused, Verified
from tinyforge.inbound.images import REGISTRY_KEYS
from tinyforge.inbound.proof import (
    MEANING,
    SecretConfig,
    prove_authorization,
    refuse,
    told,
    wrong_secret,
)
from tinyforge.inbound.samples import first_secret, with_header


@dataclass(frozen=True, kw_only=True)
class UnsignedRegistry(Receives, ABC):
    """Can send nothing but the payload: the URL is the secret."""

    fills: ClassVar[frozenset[str]] = REGISTRY_KEYS
    usual_events: ClassVar[tuple[str, ...]] = ("image",)
    sends: ClassVar[tuple[str, ...]] = ("image",)

    @property
    def is_unsigned(self) -> bool:
        return True

    def verify(self, delivery: Delivery) -> Verified | Refused:  # noqa: ARG002 - proves nothing
        return Verified()


@dataclass(frozen=True, kw_only=True)
class Registry(UnsignedRegistry, ABC):
    """Can send a fixed `Authorization`; where no secret is set, the URL is one."""

    secret: Annotated[SecretConfig | None, Meta(description=MEANING)] = field(
        default=None, repr=False
    )

    def __post_init__(self) -> None:
        refuse([*self.wrong_body(), *wrong_secret(self.secret)])

    @property
    def is_unsigned(self) -> bool:
        return self.secret is None

    def verify(self, delivery: Delivery) -> Verified | Refused:
        if self.secret is None:
            return super().verify(delivery)
        return prove_authorization(self.secret, delivery)

    def signed(self, sent: Delivery) -> Delivery:
        """Return *sent* as the registry sends it: with the secret, where one is set."""
        if self.secret is None:
            return sent
        return with_header(sent, "authorization", first_secret(self.secret).decode("latin-1"))

    def told_secret(self) -> str:
        """Say what stands in `Authorization`."""
        return told(self.secret) if self.secret else "nothing: the URL alone is the secret"
