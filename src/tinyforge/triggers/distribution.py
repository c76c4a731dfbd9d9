"""Trigger kind `distribution`: notifications of CNCF Distribution, the registry `registry:2`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Refused
from tinyforge.inbound import samples
from tinyforge.inbound.body import accepted, json_of, short_id
from tinyforge.inbound.images import pushed
from tinyforge.inbound.registry import Registry
from tinyforge.inbound.tree import at, items, text

ENVELOPE = "application/vnd.docker.distribution.events.v2+json"
MANIFEST = re.compile(
    r"application/vnd\.(?:docker\.distribution\.manifest\.(?:list\.)?v[12]|"
    r"oci\.image\.(?:manifest|index)\.v1)\+(?:json|prettyjws)"
)


@dataclass(frozen=True, kw_only=True)
class Distribution(Registry):
    """Takes pushed tags; an envelope may hold several. The rest is taken and ignored.

    The registry sends one after the other, and again for ever what is not answered with a 2xx.
    """

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        payload = json_of(delivery)
        if isinstance(payload, Refused):
            return payload
        if not isinstance(at(payload, "events"), list):
            return Refused(status=400, because="the payload has no list at events")
        events = items(payload, "events")
        changes = [change for one in events if (change := _pushed(one))]
        if not changes:
            because = "no tag in it was pushed: pulls, mounts, deletions and parts of images"
            return Ignored(because=because, delivery_id=_identity(events))
        return accepted(changes, delivery, _identity(events))

    def setup(self, url: str) -> Sequence[str]:
        config = (
            "in the registry's config.yml write:",
            "notifications:",
            "  endpoints:",
            "    - name: tinyforge",
            f"      url: {url}",
            "      timeout: 5s",
            "      threshold: 5",
            "      backoff: 10s",
            *(
                ("      headers:", f"        Authorization: [{self.told_secret()}]")
                if self.secret
                else ()
            ),
        )
        return ("\n".join(config), "start the registry again")

    def sample(self, change: Change, at: Moment) -> Delivery:
        if change.event not in self.sends:
            raise samples.unsaid(change, self.sends)
        target = {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "repository": change.repository,
            "tag": change.tag,
            "digest": change.digest,
        }
        event = {
            "id": samples.identity_of(at),
            "action": "push",
            "target": target,
            "request": {"host": samples.host_of(change)},
            "actor": {"name": change.pusher},
        }
        return self.signed(samples.delivery({"events": [event]}, at, {}, ENVELOPE))


def _pushed(event: object) -> Change | None:
    repository, tag = text(event, "target.repository"), text(event, "target.tag")
    is_image = MANIFEST.fullmatch(text(event, "target.mediaType"))
    if not (text(event, "action") == "push" and is_image and repository and tag):
        return None
    digest, pusher = text(event, "target.digest"), text(event, "actor.name")
    return pushed(text(event, "request.host"), repository, tag, digest, pusher)


def _identity(events: Sequence[object]) -> str:
    """Return the id of the envelope: that of its only event, or one made of all; `""`: none."""
    ids = [text(one, "id") for one in events]
    return short_id("\n".join(ids)) if all(ids) else ""
