"""Trigger kind `gitlab`: webhooks of GitLab."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, ClassVar

from msgspec import Meta
from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Receives, Refused, Verified
from tinyforge.inbound import samples
from tinyforge.inbound.body import accepted, id_of, json_of, shown
from tinyforge.inbound.forge import Outcome, message_of, odd_ref, uninteresting
from tinyforge.inbound.proof import (
    MEANING,
    SecretConfig,
    prove,
    raw,
    refuse,
    same,
    told,
    unproved,
    wrong_secret,
)
from tinyforge.inbound.refs import (
    FORGE_KEYS,
    HEADS,
    PATH_KEYS,
    TAGS,
    commit_of,
    files_of,
    moved,
)
from tinyforge.inbound.standard import sign_standard, verify_standard, wrong_key
from tinyforge.inbound.tree import at, items, number, text, without

REPOSITORY = "project.path_with_namespace"
TOKEN = "x-gitlab-token"  # noqa: S105 - the name of a header


@dataclass(frozen=True, kw_only=True)
class GitLab(Receives):
    """Takes pushes of branches and tags, releases and finished pipelines."""

    fills: ClassVar[frozenset[str]] = FORGE_KEYS | PATH_KEYS
    usual_events: ClassVar[tuple[str, ...]] = ("push",)
    sends: ClassVar[tuple[str, ...]] = ("push", "tag", "delete", "release", "workflow")
    usual_body: ClassVar[int] = 25 << 20

    secret: Annotated[SecretConfig, Meta(description=MEANING)] = field(repr=False)
    signing: Annotated[
        bool, Meta(description="true: it is GitLab's signing token, false: its secret token")
    ] = False

    def __post_init__(self) -> None:
        wrong = wrong_key(self.secret) if self.signing else ()
        refuse([*self.wrong_body(), *wrong_secret(self.secret), *wrong])

    def verify(self, delivery: Delivery) -> Verified | Refused:
        """Check the signature or the token, whichever the config names; never what was sent."""
        if self.signing:
            return verify_standard(self.secret, delivery)
        given = delivery.headers.get(TOKEN, "")
        if not given:
            return unproved(f"it has no {TOKEN}: enter the trigger's secret at GitLab")
        sent = raw(given)
        return prove(self.secret, lambda token: same(token, sent), TOKEN)

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        payload = json_of(delivery)
        if isinstance(payload, Refused):
            return payload
        kind = text(payload, "object_kind")
        if not kind:
            return without({"object_kind": ""}) or uninteresting(kind)
        found = READERS[kind](payload) if kind in READERS else uninteresting(kind)
        identity = id_of(delivery, "idempotency-key", "webhook-id")
        if isinstance(found, Ignored):
            return replace(found, delivery_id=identity)
        return accepted([found], delivery, identity) if isinstance(found, Change) else found

    def setup(self, url: str) -> Sequence[str]:
        field = "Signing token" if self.signing else "Secret token"
        return (
            "on GitLab open the project or the group: Settings, Webhooks, Add new webhook",
            f"URL: {url}",
            f"{field}: {told(self.secret)}",
            "Trigger: Push events, or choose others",
            "Add webhook, then Test, Push events in it",
        )

    def sample(self, change: Change, at: Moment) -> Delivery:
        if change.event not in self.sends:
            raise samples.unsaid(change, self.sends)
        kind = "tag_push" if change.tag and change.event in PUSHES else KINDS[change.event]
        sent = samples.delivery(
            {"object_kind": kind, **PAYLOADS[kind](change)},
            at,
            {"x-gitlab-event": f"{kind.replace('_', ' ').title()} Hook"},
        )
        if self.signing:
            return sign_standard(self.secret, sent, samples.identity_of(at))
        sent = samples.with_header(sent, "idempotency-key", samples.identity_of(at))
        return samples.with_header(sent, TOKEN, samples.first_secret(self.secret).decode("latin-1"))


def _push(payload: object) -> Outcome:
    repository, ref = text(payload, REPOSITORY), text(payload, "ref")
    before, after = text(payload, "before"), text(payload, "after")
    refusal = without({REPOSITORY: repository, "ref": ref, "before": before, "after": after})
    if refusal:
        return refusal
    change = moved(ref, before=before, after=after)
    if change is None:
        return odd_ref(ref)
    commits, total = items(payload, "commits"), number(payload, "total_commits_count")
    known = not (change.created or change.deleted) and total is not None
    # of an annotated tag `after` is the tag itself, and this the commit
    commit = commit_of(text(payload, "checkout_sha"))
    return replace(
        change,
        commit=commit if commit and change.commit else change.commit,
        repository=repository,
        files=files_of(commits, total or 0) if known else None,
        message=message_of(commits, commit or change.commit),
        pusher=text(payload, "user_username", "user_name"),
    )


def _release(payload: object) -> Outcome:
    action = text(payload, "action")
    if action != "create":
        return Ignored(because=f"the release had the action {shown(action)}; only 'create' counts")
    repository, tag = text(payload, REPOSITORY), text(payload, "tag")
    refusal = without({REPOSITORY: repository, "tag": tag})
    return refusal or Change(
        event="release",
        repository=repository,
        ref=TAGS + tag,
        tag=tag,
        commit=text(payload, "commit.id"),
        message=text(payload, "commit.message"),
    )


def _pipeline(payload: object) -> Outcome:
    status = text(payload, "object_attributes.status")
    if status != "success":
        return Ignored(because=f"the pipeline is {shown(status)}, not 'success'")
    if _is_of_a_fork(payload):
        return Ignored(because="the pipeline ran for a fork")
    repository, name = text(payload, REPOSITORY), text(payload, "object_attributes.ref")
    commit = text(payload, "object_attributes.sha")
    needed = {"object_attributes.ref": name, "object_attributes.sha": commit}
    refusal = without({REPOSITORY: repository, **needed})
    is_tag = at(payload, "object_attributes.tag") is True
    return refusal or Change(
        event="workflow",
        repository=repository,
        ref=(TAGS if is_tag else HEADS) + name,
        branch="" if is_tag else name,
        tag=name if is_tag else "",
        commit=commit,
        previous=commit_of(text(payload, "object_attributes.before_sha")),
        message=text(payload, "commit.message"),
        pusher=text(payload, "user.username"),
    )


def _is_of_a_fork(payload: object) -> bool:
    source = at(payload, "merge_request.source_project_id")
    return source != at(payload, "merge_request.target_project_id")


READERS: Mapping[str, Callable[[object], Outcome]] = MappingProxyType(
    {"push": _push, "tag_push": _push, "release": _release, "pipeline": _pipeline}
)


def _project(change: Change) -> samples.Payload:
    return {"project": {"path_with_namespace": change.repository}}


def _push_payload(change: Change) -> samples.Payload:
    return {
        **_project(change),
        "ref": change.ref,
        "before": change.previous or samples.ZEROS,
        "after": change.commit or samples.ZEROS,
        "checkout_sha": change.commit or None,
        "user_username": change.pusher,
        "commits": [] if change.deleted else [samples.commit(change)],
        "total_commits_count": 0 if change.deleted else 1,
    }


def _release_payload(change: Change) -> samples.Payload:
    commit = {"id": change.commit, "message": change.message}
    return {**_project(change), "action": "create", "tag": change.tag, "commit": commit}


def _pipeline_payload(change: Change) -> samples.Payload:
    attributes = {
        "ref": change.branch,
        "tag": False,
        "sha": change.commit,
        "before_sha": change.previous,
        "status": "success",
    }
    rest = {"user": {"username": change.pusher}, "commit": {"message": change.message}}
    return {**_project(change), "object_attributes": attributes, **rest}


PUSHES = frozenset({"push", "tag", "delete"})
KINDS: Mapping[str, str] = MappingProxyType(
    {"push": "push", "delete": "push", "release": "release", "workflow": "pipeline"}
)
PAYLOADS: Mapping[str, Callable[[Change], samples.Payload]] = MappingProxyType(
    {
        "push": _push_payload,
        "tag_push": _push_payload,
        "release": _release_payload,
        "pipeline": _pipeline_payload,
    }
)
