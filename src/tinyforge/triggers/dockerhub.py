"""Trigger kind `dockerhub`: webhooks of Docker Hub, which signs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Refused
from tinyforge.inbound import samples
from tinyforge.inbound.body import accepted, json_of
from tinyforge.inbound.images import pushed
from tinyforge.inbound.registry import UnsignedRegistry
from tinyforge.inbound.tree import text, without


@dataclass(frozen=True, kw_only=True)
class DockerHub(UnsignedRegistry):
    """Takes the push of a tag. The `callback_url` that comes with it is never called."""

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        payload = json_of(delivery)
        if isinstance(payload, Refused):
            return payload
        repository, tag = text(payload, "repository.repo_name"), text(payload, "push_data.tag")
        refusal = without({"repository.repo_name": repository, "push_data.tag": tag})
        if refusal:
            return refusal
        pusher = text(payload, "push_data.pusher")
        return accepted([pushed("docker.io", repository, tag, pusher=pusher)], delivery, "")

    def setup(self, url: str) -> Sequence[str]:
        return (
            "on Docker Hub open the repository: Webhooks",
            "Webhook name: tinyforge",
            f"Webhook URL: {url}",
            "Create. Docker Hub signs nothing: keep this URL as you keep a password",
        )

    def sample(self, change: Change, at: Moment) -> Delivery:
        if change.event not in self.sends:
            raise samples.unsaid(change, self.sends)
        pushed_at = samples.seconds(at)
        payload = {
            "push_data": {"tag": change.tag, "pusher": change.pusher, "pushed_at": pushed_at},
            "repository": {"repo_name": change.repository},
        }
        return samples.delivery(payload, at, {})
