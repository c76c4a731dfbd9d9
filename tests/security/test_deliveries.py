"""Deliveries that are signed and still lie, or that are sent again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inbound.forges import gitea_push, github_push, github_ref, gitlab_push, package
from tests.inbound.sending import NEW, SECRET, ZEROS, hex_of, sent
from tests.rules.asking import facts
from tinyforge.deliveries import Accepted, Delivery, Receives, Refused, Verified
from tinyforge.inbound.body import DIGEST, short_id
from tinyforge.inbound.images import pushed
from tinyforge.inbound.packages import content_key
from tinyforge.model import Json
from tinyforge.testing.kinds import deploy_context
from tinyforge.triggers.gitea import Gitea
from tinyforge.triggers.github import GitHub
from tinyforge.triggers.gitlab import GitLab

RULE: Json = {"events": ["push", "tag"], "repository": "acme/site", "branch": "main"}
GITHUB, GITEA, GITLAB = GitHub(secret=SECRET), Gitea(secret=SECRET), GitLab(secret=SECRET)


def signed(payload: object, event: str = "push") -> Delivery:
    body = json.dumps(payload).encode()
    headers = {
        "x-github-event": event,
        "x-github-delivery": "1",
        "x-hub-signature-256": f"sha256={hex_of(SECRET, body)}",
    }
    return sent(body=body, headers=headers)


def why_not(kind: Receives, delivery: Delivery, rule: Json = RULE) -> str:
    """Return why a binding with *rule* would not deploy; `""`: it would."""
    found = kind.read(delivery)
    if not isinstance(found, Accepted):
        return found.because
    match = kind.matcher(rule)(deploy_context(facts(*found.changes)).event)
    return "" if match.deploy else match.reason


def branch_of(kind: Receives, delivery: Delivery) -> str:
    found = kind.read(delivery)
    assert isinstance(found, Accepted), found
    return found.changes[0].branch


def test_an_honest_push_would_deploy() -> None:
    delivery = signed(github_push())
    assert GITHUB.verify(delivery) == Verified(secret=0)
    assert why_not(GITHUB, delivery) == ""


@pytest.mark.parametrize(
    "name",
    [
        "evil/site",
        "acme/site2",
        "acme/site/",
        "acme/sit",
        "xacme/site",
        "acme/site\n",
        "*",
        "acme/*",
    ],
)
def test_security_row_10_a_signed_push_of_another_repository_does_not_deploy(name: str) -> None:
    forged = signed(github_push(repository={"full_name": name}))
    assert GITHUB.verify(forged) == Verified(secret=0)
    assert why_not(GITHUB, forged).startswith("repository is ")


@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/refs/heads/main",
        "refs/heads/main2",
        "refs/heads/xmain",
        "refs/heads/main/",
        "refs/heads/main\n",
        "refs/heads/Main",
        "refs/heads/main%2f",
        "refs/heads/../heads/main",
        "refs/tags/main",
        "refs/tags/refs/heads/main",
        "refs/remotes/origin/main",
        "refs/pull/1/head",
        "refs/merge-requests/1/head",
        "REFS/HEADS/main",
        "heads/main",
        "main",
        "*",
        "refs/heads/*",
        "refs/heads/**",
        "refs/heads/{main,x}",
    ],
)
def test_security_row_10_only_the_branch_main_is_the_branch_main(ref: str) -> None:
    assert why_not(GITHUB, signed(github_push(ref=ref))) != ""
    assert why_not(GITEA, sent(gitea_push(ref=ref), {"x-gitea-event": "push"})) != ""
    assert why_not(GITLAB, sent(gitlab_push(ref=ref))) != ""


def test_security_row_10_a_prefix_is_taken_off_once() -> None:
    twice = signed(github_push(ref="refs/heads/refs/heads/main"))
    assert branch_of(GITHUB, twice) == "refs/heads/main"


@pytest.mark.parametrize("rule", [RULE, {"events": ["create"], "branch": "main"}])
def test_security_row_10_a_tag_named_like_a_branch_is_a_tag(rule: Json) -> None:
    for delivery in (
        signed(github_push(ref="refs/tags/main")),
        signed(github_ref("main", "tag"), "create"),
    ):
        assert why_not(GITHUB, delivery, rule) in {
            "it has no branch, main is wanted",
            "event is create, not push or tag",
            "event is tag, not create",
        }


def test_security_row_10_a_zero_commit_is_a_deletion_and_does_not_deploy() -> None:
    gone = signed(github_push(after=ZEROS, deleted=False))
    assert why_not(GITHUB, gone) == "event is delete, not push or tag"


def test_security_row_10_who_pushed_decides_nothing() -> None:
    forged = github_push(pusher={"name": "admin"}, sender={"login": "admin"}, after=NEW)
    assert why_not(GITHUB, signed(forged)) == why_not(GITHUB, signed(github_push()))


def test_security_row_11_a_body_that_was_signed_once_proves_no_other() -> None:
    first = signed(github_push())
    moved = Delivery(headers=first.headers, body=first.body.replace(b"main", b"evil"), at=first.at)
    found = GITHUB.verify(moved)
    assert isinstance(found, Refused)
    assert found.status == 401


# --- what tells deliveries apart

TEXT = st.text('a:@/-[]",', max_size=6)


@given(one=st.tuples(TEXT, TEXT, TEXT), other=st.tuples(TEXT, TEXT, TEXT))
def test_security_row_30_no_two_pushes_of_images_have_one_key(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    def key(told: tuple[str, str, str]) -> str:
        host, repository, tag = told
        return content_key(pushed(host, repository, tag, f"sha256:{'1' * 64}"))

    image = [f"{host}/{repository}" if host else repository for host, repository, _ in (one, other)]
    is_same = image[0] == image[1] and one[2] == other[2]
    assert (key(one) == key(other)) is is_same


def test_security_row_30_a_tag_cannot_run_into_the_image() -> None:
    digest = f"sha256:{'1' * 64}"
    assert content_key(pushed("ghcr.io", "a:b", "c", digest)) != content_key(
        pushed("ghcr.io", "a", "b:c", digest)
    )
    found = GITHUB.read(sent(package(), {"x-github-event": "package"}))
    assert isinstance(found, Accepted)
    assert found.content_key


@given(long=st.text(min_size=1, max_size=300))
def test_security_row_30_no_id_stands_for_the_digest_of_another(long: str) -> None:
    stored = short_id(long)
    assert short_id(stored) != stored or not stored.startswith(DIGEST)
    assert len(stored) <= 200
