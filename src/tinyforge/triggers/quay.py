"""Trigger kind `quay`: repository notifications of Quay, which signs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Refused
from tinyforge.inbound import samples
from tinyforge.inbound.body import accepted, json_of
from tinyforge.inbound.images import pushed
from tinyforge.inbound.registry import UnsignedRegistry
from tinyforge.inbound.tree import at, text, without


@dataclass(frozen=True, kw_only=True)
class Quay(UnsignedRegistry):
    """Takes the push of a repository; one delivery may hold several tags."""

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        payload = json_of(delivery)
        if isinstance(payload, Refused):
            return payload
        repository = text(payload, "repository") or _joined(payload)
        refusal = without({"repository": repository})
        if refusal:
            return refusal
        tags = list(_tags(at(payload, "updated_tags")))
        if not tags:
            return Ignored(
                because="no tag in it was updated: choose the event 'Push to Repository'"
            )
        host = text(payload, "docker_url").removesuffix(repository).removesuffix("/")
        return accepted([pushed(host, repository, tag) for tag in tags], delivery, "")

    def setup(self, url: str) -> Sequence[str]:
        return (
            "on Quay open the repository: Settings, Events and Notifications, Create Notification",
            "When this event occurs: Push to Repository",
            "Then issue a notification: Webhook POST",
            f"Webhook URL: {url}",
            "Create Notification. Quay signs nothing: keep this URL as you keep a password",
        )

    def sample(self, change: Change, at: Moment) -> Delivery:
        if change.event not in self.sends:
            raise samples.unsaid(change, self.sends)
        namespace, _, name = change.repository.partition("/")
        payload = {
            "repository": change.repository,
            "namespace": namespace,
            "name": name,
            "docker_url": change.image,
            "updated_tags": [change.tag],
        }
        return samples.delivery(payload, at, {})


def _joined(payload: object) -> str:
    namespace, name = text(payload, "namespace"), text(payload, "name")
    return f"{namespace}/{name}" if namespace and name else ""


def _tags(updated: object) -> Iterator[str]:
    """Yield the names: of a list, or, as older versions send it, of an object's keys."""
    names = updated if isinstance(updated, list | Mapping) else ()
    for name in names:
        if isinstance(name, str) and name:
            yield name
