"""Trigger kind `acr`: webhooks of Azure Container Registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Refused
from tinyforge.inbound import samples
from tinyforge.inbound.body import accepted, json_of, short_id, shown
from tinyforge.inbound.images import BY_DIGEST, pushed
from tinyforge.inbound.registry import Registry
from tinyforge.inbound.tree import text, without


@dataclass(frozen=True, kw_only=True)
class Acr(Registry):
    """Takes pushed tags, and the ping."""

    sends: ClassVar[tuple[str, ...]] = ("image", "ping")

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        payload = json_of(delivery)
        if isinstance(payload, Refused):
            return payload
        action, identity = text(payload, "action"), short_id(text(payload, "id"))
        match action:
            case "push":
                return _pushed(payload, delivery, identity)
            case "ping":
                return accepted([Change(event="ping")], delivery, identity)
        because = f"nothing is deployed on the action {shown(action)}"
        return without({"action": action}) or Ignored(because=because, delivery_id=identity)

    def setup(self, url: str) -> Sequence[str]:
        headers = f"Authorization: {self.told_secret()}" if self.secret else "leave empty"
        return (
            "in the Azure portal open the registry: Services, Webhooks, Add",
            f"Service URI: {url}",
            f"Custom headers: {headers}",
            "Trigger actions: push",
            "Create, then Ping in it",
        )

    def sample(self, change: Change, at: Moment) -> Delivery:
        identity = {"id": samples.identity_of(at)}
        match change.event:
            case "ping":
                payload: samples.Payload = {**identity, "action": "ping"}
            case "image":
                target = {"repository": change.repository, "tag": change.tag}
                payload = {
                    **identity,
                    "action": "push",
                    "target": {**target, "digest": change.digest},
                    "request": {"host": samples.host_of(change)},
                }
            case _:
                raise samples.unsaid(change, self.sends)
        return self.signed(samples.delivery(payload, at, {}))


def _pushed(payload: object, delivery: Delivery, identity: str) -> Accepted | Ignored | Refused:
    repository, host = text(payload, "target.repository"), text(payload, "request.host")
    refusal = without({"target.repository": repository, "request.host": host})
    if refusal:
        return refusal
    tag, digest = text(payload, "target.tag"), text(payload, "target.digest")
    if not tag:
        return Ignored(because=BY_DIGEST, delivery_id=identity)
    return accepted([pushed(host, repository, tag, digest)], delivery, identity)
