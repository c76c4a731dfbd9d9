"""Payloads in GitHub's shape, which Gitea, Forgejo and Gogs took over."""

from __future__ import annotations

from typing import TypeAlias

from msgspec.structs import replace

from tinyforge.deliveries import Change, Ignored, Refused
from tinyforge.inbound.body import shown
from tinyforge.inbound.refs import TAGS, files_of, moved, named
from tinyforge.inbound.tree import at, items, text, without

Outcome: TypeAlias = Change | Ignored | Refused

REPOSITORY = "repository.full_name"
PUSHERS = ("pusher.login", "pusher.name", "pusher.username", "sender.login", "sender.username")


def push(payload: object, *, total: int | None) -> Outcome:
    """Read a push of *total* commits; None: nobody knows how many, and so the files neither."""
    repository, ref = text(payload, REPOSITORY), text(payload, "ref")
    before, after = text(payload, "before"), text(payload, "after")
    refusal = without({REPOSITORY: repository, "ref": ref, "before": before, "after": after})
    if refusal:
        return refusal
    change = moved(ref, before=before, after=after)
    if change is None:
        return odd_ref(ref)
    forced = at(payload, "forced") is True
    created = change.created or at(payload, "created") is True
    known = not (created or forced or change.deleted) and total is not None
    commits = items(payload, "commits")
    return replace(
        change,
        repository=repository,
        created=created,
        forced=forced,
        files=files_of(commits, total or 0) if known else None,
        message=text(payload, "head_commit.message") or message_of(commits, change.commit),
        pusher=text(payload, *PUSHERS),
    )


def create(payload: object) -> Outcome:
    return _come_or_gone(payload, deleted=False)


def delete(payload: object) -> Outcome:
    return _come_or_gone(payload, deleted=True)


def release(payload: object) -> Outcome:
    action = text(payload, "action")
    if action != "published":
        return Ignored(because=f"the release was {shown(action)}; only 'published' counts")
    repository, tag = text(payload, REPOSITORY), text(payload, "release.tag_name")
    refusal = without({REPOSITORY: repository, "release.tag_name": tag})
    return refusal or Change(
        event="release",
        repository=repository,
        ref=TAGS + tag,
        tag=tag,
        pusher=text(payload, "sender.login"),
    )


def odd_ref(ref: str) -> Ignored:
    return Ignored(because=f"{shown(ref)} is neither a branch nor a tag")


def uninteresting(event: str) -> Ignored:
    return Ignored(because=f"nothing is deployed on events of type {shown(event)}")


def message_of(commits: object, commit: str) -> str:
    """Return the message of the one of *commits* that has this id."""
    listed = commits if isinstance(commits, list) else []
    return next((text(one, "message") for one in listed if text(one, "id") == commit), "")


def _come_or_gone(payload: object, *, deleted: bool) -> Outcome:
    repository, ref = text(payload, REPOSITORY), text(payload, "ref")
    kind, commit = text(payload, "ref_type"), text(payload, "sha")
    change = named(kind, ref, deleted=deleted, commit="" if deleted else commit)
    refusal = without({REPOSITORY: repository, "ref_type": kind, "ref": ref or kind})
    if change is None:
        return refusal or Ignored(because=f"a {shown(kind)} is neither a branch nor a tag")
    refusal = without({REPOSITORY: repository, "ref": ref})
    return refusal or replace(change, repository=repository, pusher=text(payload, *PUSHERS))
