"""Trigger kind `gitea`: webhooks of Gitea, Forgejo and Gogs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, ClassVar

from msgspec import Meta
from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Receives, Refused, Verified
from tinyforge.inbound import forge, samples
from tinyforge.inbound.body import accepted, id_of, is_form, json_or_form_of, payload_of
from tinyforge.inbound.forge import Outcome
from tinyforge.inbound.proof import MEANING, SecretConfig, prove_hex, refuse, told, wrong_secret
from tinyforge.inbound.refs import FORGE_KEYS, PATH_KEYS
from tinyforge.inbound.tree import number

# a later one of the family also sends the headers of those before it
FAMILY = ("x-forgejo", "x-gitea", "x-gogs")


@dataclass(frozen=True, kw_only=True)
class Gitea(Receives):
    """Takes pushes, refs that come and go, and releases."""

    fills: ClassVar[frozenset[str]] = FORGE_KEYS | PATH_KEYS
    usual_events: ClassVar[tuple[str, ...]] = ("push",)
    sends: ClassVar[tuple[str, ...]] = ("push", "tag", "create", "delete", "release")

    secret: Annotated[SecretConfig, Meta(description=MEANING)] = field(repr=False)

    def __post_init__(self) -> None:
        refuse([*self.wrong_body(), *wrong_secret(self.secret)])

    def verify(self, delivery: Delivery) -> Verified | Refused:
        """Check the signature, which is over the JSON, also where a form carries it."""
        signed = payload_of(delivery.body) if is_form(delivery) else delivery.body
        if isinstance(signed, Refused):
            return signed
        names = [f"{one}-signature" for one in FAMILY]
        header = next((one for one in names if one in delivery.headers), "x-gitea-signature")
        return prove_hex(self.secret, delivery, signed, header=header)

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        payload = json_or_form_of(delivery)
        if isinstance(payload, Refused):
            return payload
        events = (delivery.headers.get(f"{one}-event", "") for one in FAMILY)
        event = next(filter(None, events), "")
        if not event:
            return Refused(status=400, because="it has no x-gitea-event: is it a Gitea's?")
        found = READERS[event](payload) if event in READERS else forge.uninteresting(event)
        identity = id_of(delivery, *(f"{one}-delivery" for one in FAMILY))
        if isinstance(found, Ignored):
            return replace(found, delivery_id=identity)
        return accepted([found], delivery, identity) if isinstance(found, Change) else found

    def setup(self, url: str) -> Sequence[str]:
        return (
            "open the repository: Settings, Webhooks, Add Webhook; choose Gitea, Forgejo or Gogs",
            f"Target URL: {url}",
            "HTTP method: POST, content type: application/json",
            f"Secret: {told(self.secret)}",
            "Trigger on: Push events, or choose others",
            "Add Webhook, then Test Delivery in it",
        )

    def sample(self, change: Change, at: Moment) -> Delivery:
        if change.event not in self.sends:
            raise samples.unsaid(change, self.sends)
        kind = "push" if change.event == "tag" else change.event
        headers = {"x-gitea-event": kind, "x-gitea-delivery": samples.identity_of(at)}
        sent = samples.delivery(PAYLOADS[change.event](change), at, headers)
        return samples.with_hex(sent, self.secret, "x-gitea-signature")


def _push(payload: object) -> Outcome:
    """Gogs does not say of how many commits it lists the last."""
    return forge.push(payload, total=number(payload, "total_commits"))


READERS: Mapping[str, Callable[[object], Outcome]] = MappingProxyType(
    {
        "push": _push,
        "create": forge.create,
        "delete": forge.delete,
        "release": forge.release,
    }
)
PAYLOADS: Mapping[str, Callable[[Change], samples.Payload]] = MappingProxyType(
    {
        "push": samples.push,
        "tag": samples.push,
        "create": samples.come_or_gone,
        "delete": samples.come_or_gone,
        "release": samples.release,
    }
)
