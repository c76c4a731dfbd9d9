"""What providers send, written by us: for trying an endpoint out."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from tinyforge.changes import Change
from tinyforge.clock import SECOND, Moment
from tinyforge.deliveries import Delivery
from tinyforge.inbound.proof import SecretConfig, secrets_of
from tinyforge.references import resolve

Payload: TypeAlias = dict[str, object]

ZEROS = "0" * 40
JSON = "application/json"


def delivery(
    payload: object, at: Moment, headers: Mapping[str, str], content_type: str = JSON
) -> Delivery:
    """Return *payload* as a request; header names in lower case."""
    body = msgspec.json.encode(payload)
    return Delivery(headers={"content-type": content_type, **headers}, body=body, at=at)


def with_header(sent: Delivery, name: str, value: str) -> Delivery:
    return Delivery(headers={**sent.headers, name: value}, body=sent.body, at=sent.at)


def identity_of(at: Moment) -> str:
    """Return an id that no other sample has."""
    return f"sample-{at}"


def first_secret(secret: SecretConfig) -> bytes:
    """Return the value of the first secret; Unresolved where it has none."""
    return resolve(secrets_of(secret)[0]).encode()


def with_hex(sent: Delivery, secret: SecretConfig, header: str, prefix: str = "") -> Delivery:
    """Return *sent* with the hex HMAC-SHA256 of its body in *header*, behind *prefix*."""
    digest = hmac.digest(first_secret(secret), sent.body, "sha256")
    return with_header(sent, header, prefix + digest.hex())


def unsaid(change: Change, sends: Sequence[str]) -> ValueError:
    """Return what to raise where a provider never says such a thing."""
    return ValueError(f"it never sends {change.event!r}; it sends {', '.join(sends)}")


def seconds(at: Moment) -> int:
    return at // SECOND


def push(change: Change) -> Payload:
    """Return a push in GitHub's shape."""
    return {
        "ref": change.ref,
        "before": change.previous or ZEROS,
        "after": change.commit or ZEROS,
        "created": change.created,
        "deleted": change.deleted,
        "forced": change.forced,
        "repository": repository(change),
        "pusher": {"name": change.pusher, "login": change.pusher},
        "commits": [] if change.deleted else [commit(change)],
        "total_commits": 1,
    }


def come_or_gone(change: Change) -> Payload:
    """Return `create` or `delete` in GitHub's shape."""
    return {
        "ref": change.tag or change.branch,
        "ref_type": "tag" if change.tag else "branch",
        "sha": change.commit,
        "repository": repository(change),
        "sender": {"login": change.pusher},
    }


def release(change: Change) -> Payload:
    return {
        "action": "published",
        "release": {"tag_name": change.tag},
        "repository": repository(change),
        "sender": {"login": change.pusher},
    }


def repository(change: Change) -> Payload:
    return {"full_name": change.repository}


def commit(change: Change) -> Payload:
    files = list(change.files or ())
    told = {"id": change.commit, "message": change.message}
    return {**told, "added": [], "removed": [], "modified": files}


def host_of(change: Change) -> str:
    """Return the registry of an image."""
    host, found, _ = change.image.partition(f"/{change.repository}")
    return host if found else ""
