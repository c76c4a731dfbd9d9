"""Trigger kind `github`: webhooks of GitHub and GitHub Enterprise Server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, ClassVar

from msgspec import Meta
from msgspec.structs import replace

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Receives, Refused, Verified
from tinyforge.inbound import forge, samples
from tinyforge.inbound.body import accepted, id_of, json_or_form_of, shown
from tinyforge.inbound.forge import REPOSITORY, Outcome
from tinyforge.inbound.packages import CONTENT_FOR, content_key, package
from tinyforge.inbound.proof import MEANING, SecretConfig, prove_hex, refuse, told, wrong_secret
from tinyforge.inbound.refs import FORGE_KEYS, HEADS, PATH_KEYS, commit_of
from tinyforge.inbound.tree import items, text, without

EVENT = "x-github-event"
MOST_COMMITS = 2048  # GitHub lists no more of a push


@dataclass(frozen=True, kw_only=True)
class GitHub(Receives):
    """Takes pushes, refs that come and go, releases, finished workflows and container packages."""

    fills: ClassVar[frozenset[str]] = FORGE_KEYS | PATH_KEYS | {"image"}
    usual_events: ClassVar[tuple[str, ...]] = ("push",)
    usual_body: ClassVar[int] = 25 << 20

    secret: Annotated[SecretConfig, Meta(description=MEANING)] = field(repr=False)

    def __post_init__(self) -> None:
        refuse([*self.wrong_body(), *wrong_secret(self.secret)])

    def verify(self, delivery: Delivery) -> Verified | Refused:
        return verify_github(self.secret, delivery)

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        return read_github(delivery, READERS)

    def setup(self, url: str) -> Sequence[str]:
        return setup_github(url, self.secret, "leave 'Just the push event', or choose others")

    def sample(self, change: Change, at: Moment) -> Delivery:
        if change.event not in self.sends:
            raise samples.unsaid(change, self.sends)
        return sample_github(change, at, self.secret)


def verify_github(secret: SecretConfig, delivery: Delivery) -> Verified | Refused:
    """Check GitHub's signature, which is over the raw body, also over that of a form."""
    return prove_hex(
        secret, delivery, delivery.body, header="x-hub-signature-256", prefix="sha256="
    )


def read_github(
    delivery: Delivery, readers: Mapping[str, Callable[[object], Outcome]]
) -> Accepted | Ignored | Refused:
    """Read with the one of *readers* that the event's type has."""
    payload = json_or_form_of(delivery)
    if isinstance(payload, Refused):
        return payload
    event = delivery.headers.get(EVENT, "")
    if not event:
        return Refused(status=400, because=f"it has no {EVENT}: is it GitHub's?")
    found = readers[event](payload) if event in readers else forge.uninteresting(event)
    return _with_id(found, delivery)


def setup_github(url: str, secret: SecretConfig, events: str) -> Sequence[str]:
    return (
        "on GitHub open the repository or the organisation: Settings, Webhooks, Add webhook",
        f"Payload URL: {url}",
        "Content type: application/json",
        f"Secret: {told(secret)}",
        f"Which events: {events}",
        "Add webhook: GitHub sends a ping at once",
    )


def sample_github(change: Change, at: Moment, secret: SecretConfig) -> Delivery:
    kind = NAMES.get(change.event, change.event)
    headers = {EVENT: kind, "x-github-delivery": samples.identity_of(at)}
    sent = samples.delivery(PAYLOADS[change.event](change), at, headers)
    return samples.with_hex(sent, secret, "x-hub-signature-256", "sha256=")


def _with_id(found: Outcome, delivery: Delivery) -> Accepted | Ignored | Refused:
    identity = id_of(delivery, "x-github-delivery")
    match found:
        case Change(event="image"):
            key = content_key(found)
            return accepted([found], delivery, identity, content_key=key, content_for=CONTENT_FOR)
        case Change():
            return accepted([found], delivery, identity)
        case Ignored():
            return replace(found, delivery_id=identity)
    return found


def _push(payload: object) -> Outcome:
    listed = len(items(payload, "commits"))
    return forge.push(payload, total=listed if listed < MOST_COMMITS else None)


def _workflow_run(payload: object) -> Outcome:
    if text(payload, "workflow_run.head_repository.full_name") != text(payload, REPOSITORY):
        return Ignored(because="the workflow ran for a fork")
    return _finished(payload, "workflow_run")


def _check_suite(payload: object) -> Outcome:
    return _finished(payload, "check_suite")


def _finished(payload: object, what: str) -> Outcome:
    if text(payload, "action") != "completed":
        return Ignored(because=f"the {what} is not completed")
    conclusion = text(payload, f"{what}.conclusion")
    if conclusion != "success":
        return Ignored(because=f"the {what} ended with {shown(conclusion)}, not with 'success'")
    branch = text(payload, f"{what}.head_branch")
    if not branch:
        return Ignored(because=f"the {what} was for no branch of this repository")
    repository, commit = text(payload, REPOSITORY), text(payload, f"{what}.head_sha")
    refusal = without({REPOSITORY: repository, f"{what}.head_sha": commit})
    return refusal or Change(
        event="workflow",
        repository=repository,
        ref=HEADS + branch,
        branch=branch,
        commit=commit,
        previous=commit_of(text(payload, f"{what}.before")),
        message=text(payload, f"{what}.head_commit.message"),
        pusher=text(payload, "sender.login"),
    )


def ping(payload: object) -> Outcome:
    repository, pusher = text(payload, REPOSITORY), text(payload, "sender.login")
    return Change(event="ping", repository=repository, pusher=pusher)


READERS: Mapping[str, Callable[[object], Outcome]] = MappingProxyType(
    {
        "push": _push,
        "create": forge.create,
        "delete": forge.delete,
        "release": forge.release,
        "workflow_run": _workflow_run,
        "check_suite": _check_suite,
        "package": package,
        "registry_package": package,
        "ping": ping,
    }
)


def _workflow_payload(change: Change) -> samples.Payload:
    run = {
        "conclusion": "success",
        "head_branch": change.branch,
        "head_sha": change.commit,
        "head_repository": samples.repository(change),
        "head_commit": {"message": change.message},
    }
    rest = {"repository": samples.repository(change), "sender": {"login": change.pusher}}
    return {"action": "completed", "workflow_run": run, **rest}


def _package_payload(change: Change) -> samples.Payload:
    namespace, _, name = change.repository.partition("/")
    tag = {"name": change.tag, "digest": change.digest}
    version = {"version": change.digest, "container_metadata": {"tag": tag}}
    package = {"namespace": namespace, "name": name, "package_type": "CONTAINER"}
    return {
        "action": "published",
        "package": {**package, "package_version": version},
        "sender": {"login": change.pusher},
    }


def _ping_payload(change: Change) -> samples.Payload:
    repository = samples.repository(change)
    return {"zen": "Try it out.", "repository": repository, "sender": {"login": change.pusher}}


NAMES: Mapping[str, str] = MappingProxyType(
    {"tag": "push", "workflow": "workflow_run", "image": "package"}
)
PAYLOADS: Mapping[str, Callable[[Change], samples.Payload]] = MappingProxyType(
    {
        "push": samples.push,
        "tag": samples.push,
        "create": samples.come_or_gone,
        "delete": samples.come_or_gone,
        "release": samples.release,
        "workflow": _workflow_payload,
        "image": _package_payload,
        "ping": _ping_payload,
    }
)
