"""What providers send, written by us: for trying an endpoint out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from tinyforge.changes import Change
from tinyforge.clock import SECOND, Moment
from tinyforge.deliveries import Delivery
from tinyforge.inbound.proof import SecretConfig, secrets_of
from tinyforge.references import resolve

Payload: TypeAlias = dict[str, object]

ZEROS = "0" * 40
JSON = "application/json"
REPOSITORY, HOST, PUSHER = "example/site", "registry.example.org", "tinyforge"
PREVIOUS = "1" * 40
FLAGS = frozenset({"created", "deleted", "forced"})
FACTS = (
    *("repository", "branch", "tag", "commit", "previous", "message", "pusher", "image", "digest"),
    *("files", "created", "deleted", "forced"),
)


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
    """Return the value of the first secret; Unresolved where it has none.

    A header carries these bytes as they are: text of them is latin-1.
    """
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


def example(event: str, facts: Mapping[str, str], commit: str) -> Change:
    """Return a change of this kind that says *facts*, and the usual of the rest.

    *commit* is one that nobody has, of 40 hexadecimal digits. ValueError where a fact is unknown.
    """
    unknown = [name for name in facts if name not in FACTS]
    if unknown:
        raise ValueError(f"no fact {unknown[0]!r}; known: {', '.join(FACTS)}")
    values: dict[str, object] = {
        **facts,
        **{name: facts[name] == "true" for name in FLAGS & facts.keys()},
        "event": "tag" if event == "push" and "tag" in facts and "branch" not in facts else event,
    }
    if "files" in facts:
        values["files"] = facts["files"].split(",")
    told = msgspec.convert(values, Change)
    if told.event == "ping":
        return replace(told, repository=told.repository or REPOSITORY)
    return _of_image(told, commit) if told.event == "image" else _of_ref(told, commit)


def _of_ref(told: Change, commit: str) -> Change:
    tag = told.tag or ("v1.0.0" if told.event in {"tag", "release"} else "")
    branch = told.branch or ("" if tag else "main")
    gone = told.deleted or told.event == "delete"
    is_new = told.created or told.event in {"create", "tag", "release"}
    return replace(
        told,
        event="delete" if gone else told.event,
        repository=told.repository or REPOSITORY,
        ref=f"refs/tags/{tag}" if tag else f"refs/heads/{branch}",
        branch=branch,
        tag=tag,
        commit="" if gone else told.commit or commit,
        previous=told.previous or ("" if is_new else PREVIOUS),
        created=is_new,
        deleted=gone,
        message=told.message or "Try the webhook out",
        pusher=told.pusher or PUSHER,
    )


def _of_image(told: Change, commit: str) -> Change:
    host, _, name = told.image.partition("/")
    repository = told.repository or name or REPOSITORY
    return replace(
        told,
        repository=repository,
        image=told.image or f"{host or HOST}/{repository}",
        tag=told.tag or "latest",
        digest=told.digest or f"sha256:{hashlib.sha256(commit.encode()).hexdigest()}",
        pusher=told.pusher or PUSHER,
    )
