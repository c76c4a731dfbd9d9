"""Trigger kind `harbor`: webhooks of Harbor, in its own format and as CloudEvents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Refused
from tinyforge.inbound import samples
from tinyforge.inbound.body import accepted, json_of, short_id, shown
from tinyforge.inbound.images import BY_DIGEST, is_digest, pushed
from tinyforge.inbound.registry import Registry
from tinyforge.inbound.tree import at, items, text, without

PUSHES = frozenset({"PUSH_ARTIFACT", "harbor.artifact.pushed"})
NAME = "repository.repo_full_name"


@dataclass(frozen=True, kw_only=True)
class Harbor(Registry):
    """Takes pushed artifacts; one delivery may hold several tags."""

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        payload = json_of(delivery)
        if isinstance(payload, Refused):
            return payload
        kind = text(payload, "type")
        identity = short_id(text(payload, "id")) if at(payload, "specversion") else ""
        refusal = without({"type": kind})
        if refusal:
            return refusal
        if kind not in PUSHES:
            because = f"nothing is deployed on events of type {shown(kind)}"
            return Ignored(because=because, delivery_id=identity)
        data = at(payload, "data") or at(payload, "event_data")
        pusher = text(payload, "operator")
        found = _pushed(data, pusher)
        if isinstance(found, Refused):
            return found
        if not found:
            return Ignored(because=BY_DIGEST, delivery_id=identity)
        return accepted(found, delivery, identity)

    def setup(self, url: str) -> Sequence[str]:
        return (
            "in Harbor open the project: Webhooks, New Webhook",
            "Notify Type: http, Payload Format: Default",
            "Event Type: Artifact pushed",
            f"Endpoint URL: {url}",
            f"Auth Header: {self.told_secret()}",
            "Continue",
        )

    def sample(self, change: Change, at: Moment) -> Delivery:
        if change.event not in self.sends:
            raise samples.unsaid(change, self.sends)
        url = f"{change.image}:{change.tag}"
        resource = {"digest": change.digest, "tag": change.tag, "resource_url": url}
        repository = {"repo_full_name": change.repository}
        payload = {
            "type": "PUSH_ARTIFACT",
            "occur_at": samples.seconds(at),
            "operator": change.pusher,
            "event_data": {"resources": [resource], "repository": repository},
        }
        return self.signed(samples.delivery(payload, at, {}))


def _pushed(data: object, pusher: str) -> list[Change] | Refused:
    repository = text(data, NAME)
    refusal = without({f"event_data.{NAME}": repository})
    if refusal:
        return refusal
    if not items(data, "resources"):
        return Refused(status=400, because="the payload has no list at event_data.resources")
    return [
        pushed(_host(one, repository), repository, tag, text(one, "digest"), pusher)
        for one in items(data, "resources")
        if (tag := text(one, "tag")) and not is_digest(tag)
    ]


def _host(resource: object, repository: str) -> str:
    """Return the registry's name out of `host/repository:tag`."""
    host, found, _ = text(resource, "resource_url").partition(f"/{repository}")
    return host if found else ""
