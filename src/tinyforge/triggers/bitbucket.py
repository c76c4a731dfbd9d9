"""Trigger kind `bitbucket`: webhooks of Bitbucket Cloud and Bitbucket Data Center."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, ClassVar, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Receives, Refused, Verified
from tinyforge.inbound import samples
from tinyforge.inbound.body import accepted, id_of, json_of
from tinyforge.inbound.forge import uninteresting
from tinyforge.inbound.proof import MEANING, SecretConfig, prove_hex, refuse, told, wrong_secret
from tinyforge.inbound.refs import FORGE_KEYS, PREFIXES, moved
from tinyforge.inbound.tree import at, items, text, without

Changes: TypeAlias = list[Change] | Ignored | Refused

EVENT, SIGNATURE = "x-event-key", "x-hub-signature"
PING = "diagnostics:ping"
LARGEST_PING = 64  # bytes
ZEROS = "0" * 40
PINGED = Ignored(because="the connection test of Bitbucket Data Center")


@dataclass(frozen=True, kw_only=True)
class Bitbucket(Receives):
    """Takes pushes; one delivery may hold several branches and tags, and never says the files."""

    fills: ClassVar[frozenset[str]] = FORGE_KEYS
    usual_events: ClassVar[tuple[str, ...]] = ("push",)
    sends: ClassVar[tuple[str, ...]] = ("push", "tag", "delete")

    secret: Annotated[SecretConfig, Meta(description=MEANING)] = field(repr=False)

    def __post_init__(self) -> None:
        refuse([*self.wrong_body(), *wrong_secret(self.secret)])

    def verify(self, delivery: Delivery) -> Verified | Ignored | Refused:
        """Check the signature; Data Center does not sign its connection test."""
        headers = delivery.headers
        unsigned = SIGNATURE not in headers and len(delivery.body) <= LARGEST_PING
        if unsigned and headers.get(EVENT) == PING:
            return PINGED
        return prove_hex(self.secret, delivery, delivery.body, header=SIGNATURE, prefix="sha256=")

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        event = delivery.headers.get(EVENT, "")
        identity = id_of(delivery, "x-request-uuid", "x-request-id")
        if event == PING:
            return replace(PINGED, delivery_id=identity)
        payload = json_of(delivery)
        if isinstance(payload, Refused):
            return payload
        if not event:
            return Refused(status=400, because=f"it has no {EVENT}: is it Bitbucket's?")
        found = READERS[event](payload) if event in READERS else uninteresting(event)
        if isinstance(found, list):
            return accepted(found, delivery, identity)
        return replace(found, delivery_id=identity) if isinstance(found, Ignored) else found

    def setup(self, url: str) -> Sequence[str]:
        return (
            "on Bitbucket open the repository: Repository settings, Webhooks, Add webhook",
            "Title: tinyforge",
            f"URL: {url}",
            f"Secret: {told(self.secret)}",
            "Triggers: Repository push",
            "Save",
        )

    def sample(self, change: Change, at: Moment) -> Delivery:
        if change.event not in self.sends:
            raise samples.unsaid(change, self.sends)
        headers = {EVENT: "repo:push", "x-request-uuid": samples.identity_of(at)}
        sent = samples.delivery(_payload(change), at, headers)
        return samples.with_hex(sent, self.secret, SIGNATURE, "sha256=")


def _of_cloud(payload: object) -> Changes:
    repository = text(payload, "repository.full_name")
    pusher = text(payload, "actor.display_name", "actor.nickname", "actor.account_id")
    refusal = without({"repository.full_name": repository}) or _no_list(payload, "push.changes")
    changes = [_cloud_change(one) for one in items(payload, "push.changes")]
    return refusal or _all(changes, repository, pusher)


def _cloud_change(change: object) -> Change | None:
    side = "new" if at(change, "new") else "old"  # `new` is null where it was deleted
    prefix = PREFIXES.get(text(change, f"{side}.type"))
    name = text(change, f"{side}.name")
    before = text(change, "old.target.hash") or ZEROS
    after = text(change, "new.target.hash") or ("" if side == "new" else ZEROS)
    if not (prefix and name and after):
        return None
    found = moved(prefix + name, before=before, after=after)
    return found and replace(
        found,
        created=found.created or at(change, "created") is True,
        forced=at(change, "forced") is True,
        message=text(change, "new.target.message"),
    )


def _of_data_center(payload: object) -> Changes:
    key, slug = text(payload, "repository.project.key"), text(payload, "repository.slug")
    refusal = without({"repository.project.key": key, "repository.slug": slug})
    refusal = refusal or _no_list(payload, "changes")
    pusher = text(payload, "actor.name", "actor.displayName")
    changes = [_data_center_change(one) for one in items(payload, "changes")]
    return refusal or _all(changes, f"{key}/{slug}", pusher)


def _data_center_change(change: object) -> Change | None:
    ref, after = text(change, "ref.id", "refId"), text(change, "toHash")
    if not (ref and after):
        return None
    return moved(ref, before=text(change, "fromHash") or ZEROS, after=after)


def _all(changes: list[Change | None], repository: str, pusher: str) -> Changes:
    found = [replace(one, repository=repository, pusher=pusher) for one in changes if one]
    return found or Ignored(because="no branch and no tag in it has changed")


def _no_list(payload: object, path: str) -> Refused | None:
    if isinstance(at(payload, path), list):
        return None
    return Refused(status=400, because=f"the payload has no list at {path}")


def _payload(change: Change) -> samples.Payload:
    kind, name = ("tag", change.tag) if change.tag else ("branch", change.branch)
    target = {"hash": change.commit, "message": change.message}
    side = {"type": kind, "name": name}
    moved = {
        "new": None if change.deleted else {**side, "target": target},
        "old": {**side, "target": {"hash": change.previous}} if change.previous else None,
        "created": change.created,
        "closed": change.deleted,
        "forced": change.forced,
    }
    return {
        "push": {"changes": [moved]},
        "repository": samples.repository(change),
        "actor": {"display_name": change.pusher},
    }


READERS: Mapping[str, Callable[[object], Changes]] = MappingProxyType(
    {"repo:push": _of_cloud, "repo:refs_changed": _of_data_center}
)
