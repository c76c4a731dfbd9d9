"""Whatever comes, a kind answers with an event, with why not, or with a refusal."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.inbound import forges, registries
from tests.inbound.sending import FORM, SECRET, ZEROS, sent
from tests.inbound.test_webhook import AZURE, AZURE_FIELDS
from tinyforge.deliveries import (
    EVENTS,
    Accepted,
    Change,
    Delivery,
    Ignored,
    Receives,
    Refused,
    Verified,
)
from tinyforge.testing.kinds import check_trigger_kind
from tinyforge.triggers.acr import Acr
from tinyforge.triggers.bitbucket import Bitbucket
from tinyforge.triggers.distribution import Distribution
from tinyforge.triggers.dockerhub import DockerHub
from tinyforge.triggers.ghcr import Ghcr
from tinyforge.triggers.gitea import Gitea
from tinyforge.triggers.github import GitHub
from tinyforge.triggers.gitlab import GitLab
from tinyforge.triggers.harbor import Harbor
from tinyforge.triggers.quay import Quay
from tinyforge.triggers.webhook import Webhook

KINDS: list[Receives] = [
    GitHub(secret=SECRET),
    GitLab(secret=SECRET),
    GitLab(secret=SECRET, signing=True),
    Gitea(secret=SECRET),
    Bitbucket(secret=SECRET),
    Webhook(secret=SECRET, fields=AZURE_FIELDS),
    Ghcr(secret=SECRET),
    DockerHub(),
    Quay(),
    Harbor(secret=SECRET),
    Distribution(),
    Acr(),
]
SAMPLES: list[tuple[Receives, dict[str, str], dict[str, object]]] = [
    (KINDS[0], {"x-github-event": "push"}, forges.github_push()),
    (KINDS[0], {"x-github-event": "create"}, forges.github_ref("v1", "tag")),
    (KINDS[0], {"x-github-event": "workflow_run"}, forges.workflow()),
    (KINDS[0], {"x-github-event": "package"}, forges.package()),
    (KINDS[1], {}, forges.gitlab_push()),
    (KINDS[1], {}, forges.gitlab_pipeline()),
    (KINDS[1], {}, forges.gitlab_release()),
    (KINDS[3], {"x-gitea-event": "push"}, forges.gitea_push()),
    (KINDS[4], {"x-event-key": "repo:push"}, forges.cloud_push()),
    (KINDS[4], {"x-event-key": "repo:refs_changed"}, forges.data_center_push()),
    (KINDS[5], {}, dict(AZURE)),
    (KINDS[6], {"x-github-event": "registry_package"}, forges.package("registry_package")),
    (KINDS[7], {}, registries.docker_hub()),
    (KINDS[8], {}, registries.quay()),
    (KINDS[9], {}, registries.harbor()),
    (KINDS[9], {}, registries.harbor_cloud_event()),
    (KINDS[10], {}, registries.envelope(registries.notice(), registries.notice("pull"))),
    (KINDS[11], {}, registries.acr()),
]
ODD_VALUES = (None, True, 0, 1.5, "", "text", ZEROS, [], ["text", None], {}, {"a": {}})
NAMES = st.sampled_from(
    [
        "content-type",
        "authorization",
        "idempotency-key",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-event-key",
        "x-forgejo-event",
        "x-gitea-delivery",
        "x-gitea-event",
        "x-gitea-signature",
        "x-github-delivery",
        "x-github-event",
        "x-gitlab-token",
        "x-gogs-event",
        "x-hub-signature",
        "x-hub-signature-256",
    ]
)
WORDS = st.sampled_from(
    ["push", "create", "package", "repo:push", "diagnostics:ping", "application/json", FORM]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def check(kind: Receives, delivery: Delivery) -> Accepted | Ignored | Refused:
    """Check what must hold of every answer, and return it."""
    found = kind.read(delivery)
    assert kind.read(delivery) == found
    match found:
        case Accepted(changes=changes):
            assert changes
            assert found.delivery_id or found.content_key
            for change in changes:
                check_change(change)
        case Ignored(because=because):
            assert because
        case Refused(status=status, because=because):
            assert status in {400, 415}
            assert because
    return found


def check_change(change: Change) -> None:
    assert change.event in EVENTS
    assert change.deleted == (change.event == "delete")
    assert not (change.deleted and change.commit)
    if change.files is not None:
        assert change.files
        assert not any((change.created, change.forced, change.deleted))
    for name in ("repository", "ref", "branch", "tag", "commit", "pusher", "image", "digest"):
        assert isinstance(getattr(change, name), str)


def mutations(value: object) -> Iterator[object]:
    """Yield *value* with each of its parts removed, and replaced by each odd value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            rest = {name: one for name, one in value.items() if name != key}
            yield rest
            for odd in (*ODD_VALUES, *mutations(inner)):
                yield rest | {key: copy.deepcopy(odd)}
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            before, after = value[:place], value[place + 1 :]
            yield before + after
            for odd in (*ODD_VALUES, *mutations(inner)):
                yield [*before, odd, *after]


@pytest.mark.parametrize(("kind", "headers", "payload"), SAMPLES)
def test_every_sample_is_an_event(
    kind: Receives, headers: dict[str, str], payload: dict[str, object]
) -> None:
    assert isinstance(check(kind, sent(payload, headers)), Accepted)


@pytest.mark.parametrize(("kind", "headers", "payload"), SAMPLES)
def test_security_row_21_a_sample_with_any_part_missing_or_odd_is_answered(
    kind: Receives, headers: dict[str, str], payload: dict[str, object]
) -> None:
    answers = [check(kind, sent(odd, headers)) for odd in (*ODD_VALUES, *mutations(payload))]
    assert len(answers) > 50
    if not isinstance(kind, Webhook):
        assert any(isinstance(answer, Refused) for answer in answers)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@given(payload=JSON, headers=st.dictionaries(NAMES, WORDS | st.text(), max_size=6))
@settings(deadline=None)
def test_any_json_under_any_headers_is_answered(
    kind: Receives, payload: object, headers: dict[str, str]
) -> None:
    delivery = sent(payload, headers)
    check(kind, delivery)
    assert isinstance(kind.verify(delivery), Verified | Ignored | Refused)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@given(body=st.binary(max_size=100), headers=st.dictionaries(NAMES, WORDS | st.text(), max_size=6))
@settings(deadline=None)
def test_any_bytes_under_any_headers_are_answered(
    kind: Receives, body: bytes, headers: dict[str, str]
) -> None:
    delivery = sent(body=body, headers=headers)
    check(kind, delivery)
    assert isinstance(kind.verify(delivery), Verified | Ignored | Refused)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":1,"a":2}', b"NaN", b'{"a":' * 65 + b"1" + b"}" * 65],
    ids=["deep", "twice", "nan", "65"],
)
def test_security_row_21_hostile_json_is_refused_before_it_is_looked_at(
    kind: Receives, body: bytes
) -> None:
    headers = {"x-github-event": "push", "x-gitea-event": "push", "x-event-key": "repo:push"}
    found = kind.read(sent(body=body, headers=headers))
    assert isinstance(found, Refused)
    assert found.status == 400


@pytest.mark.parametrize(
    ("cls", "config"),
    [
        (GitHub, {"secret": SECRET}),
        (GitLab, {"secret": [SECRET, "${env:OTHER}"], "signing": False}),
        (Gitea, {"secret": SECRET}),
        (Bitbucket, {"secret": SECRET}),
        (Webhook, {"secret": SECRET, "fields": {"branch": "/b"}}),
        (Ghcr, {"secret": SECRET}),
        (Harbor, {"secret": SECRET}),
        (Distribution, {"secret": SECRET}),
        (Acr, {"secret": SECRET}),
    ],
    ids=lambda one: one.__name__ if isinstance(one, type) else "",
)
def test_every_kind_keeps_the_contract(cls: type[Receives], config: dict[str, object]) -> None:
    needs = [{}] if cls not in {Harbor, Distribution, Acr} else []
    bad = [*needs, {"secret": ""}, {"secret": []}, {"secret": ["a", "b", "c"]}, {"secret": 1}]
    check_trigger_kind(cls, good=[config], bad=bad)
    assert cls.usual_events
    assert set(cls.usual_events) <= set(EVENTS) - {"delete"}


@pytest.mark.parametrize("cls", [DockerHub, Quay])
def test_kinds_that_prove_nothing_take_no_secret(cls: type[Receives]) -> None:
    check_trigger_kind(cls, good=[{}], bad=[{"secret": SECRET}])
