from __future__ import annotations

import base64

import pytest

from tests.inbound.forges import commit, gitlab_pipeline, gitlab_push, gitlab_release
from tests.inbound.sending import (
    NEW,
    NOW,
    OLD,
    SECRET,
    ZEROS,
    base64_of,
    change,
    ignored,
    refused,
    sent,
)
from tinyforge.clock import SECOND
from tinyforge.deliveries import Accepted, Verified
from tinyforge.triggers.gitlab import GitLab

KIND = GitLab(secret=SECRET)
KEY = b"0123456789abcdef0123456789abcdef"
SIGNING = GitLab(secret=f"whsec_{base64.b64encode(KEY).decode()}", signing=True)


def test_a_push_says_everything_about_the_branch() -> None:
    found = change(KIND, sent(gitlab_push()))

    assert (found.event, found.repository) == ("push", "acme/web/site")
    assert (found.ref, found.branch, found.tag) == ("refs/heads/main", "main", "")
    assert (found.previous, found.commit) == (OLD, NEW)
    assert found.files == ("docs/a.md", "site/b.css")
    assert (found.message, found.pusher) == ("Mend it", "ann")


def test_files_are_unknown_where_some_commits_are_left_out() -> None:
    assert change(KIND, sent(gitlab_push(total_commits_count=21))).files is None
    assert change(KIND, sent(gitlab_push(total_commits_count=None))).files is None


def test_a_deleted_branch_has_no_checkout_and_is_a_delete() -> None:
    gone = gitlab_push(after=ZEROS, checkout_sha=None, commits=[], total_commits_count=0)
    found = change(KIND, sent(gone))
    assert (found.event, found.branch, found.commit, found.previous) == ("delete", "main", "", OLD)


def test_a_new_branch_has_unknown_files() -> None:
    found = change(KIND, sent(gitlab_push(before=ZEROS)))
    assert (found.created, found.previous, found.files) == (True, "", None)


def test_a_tag_leads_to_its_commit() -> None:
    tag = {"object_kind": "tag_push", "ref": "refs/tags/v1.0", "before": ZEROS, "after": "c" * 40}
    found = change(KIND, sent(gitlab_push(**tag)))
    assert (found.event, found.tag, found.branch) == ("tag", "v1.0", "")
    assert (found.commit, found.message) == (NEW, "Mend it")


def test_the_message_is_that_of_the_newest_commit() -> None:
    listed = [commit(OLD, message="old"), commit(NEW, message="new")]
    assert change(KIND, sent(gitlab_push(commits=listed))).message == "new"


def test_a_pipeline_counts_when_it_succeeds() -> None:
    found = change(KIND, sent(gitlab_pipeline()))
    assert (found.event, found.branch, found.commit) == ("workflow", "main", NEW)
    tagged = change(KIND, sent(gitlab_pipeline(ref="v1", tag=True)))
    assert (tagged.branch, tagged.tag, tagged.ref) == ("", "v1", "refs/tags/v1")
    assert "'failed'" in ignored(KIND, sent(gitlab_pipeline("failed")))


def test_security_row_10_the_pipeline_of_a_fork_is_ignored() -> None:
    request = {"source_project_id": 2, "target_project_id": 1}
    assert "fork" in ignored(KIND, sent(gitlab_pipeline() | {"merge_request": request}))


def test_a_new_release_is_a_release() -> None:
    found = change(KIND, sent(gitlab_release()))
    assert (found.event, found.tag, found.commit) == ("release", "v1.2.0", NEW)
    assert "'update'" in ignored(KIND, sent(gitlab_release("update")))


def test_other_events_are_ignored_with_their_name() -> None:
    assert "'note'" in ignored(KIND, sent({"object_kind": "note"}))


def test_a_body_from_a_template_of_ones_own_is_refused_with_what_it_lacks() -> None:
    status, because = refused(KIND.read(sent({"text": "pushed"})))
    assert (status, "object_kind" in because, "template" in because) == (400, True, True)
    assert "checkout" not in refused(KIND.read(sent(gitlab_push(before=None))))[1]


@pytest.mark.parametrize(
    ("headers", "known_by"),
    [
        ({"idempotency-key": "a", "webhook-id": "b", "x-gitlab-event-uuid": "c"}, "a"),
        ({"webhook-id": "b", "x-gitlab-webhook-uuid": "c"}, "b"),
        ({"x-gitlab-event-uuid": "c", "x-gitlab-webhook-uuid": "c"}, ""),
    ],
)
def test_only_an_id_that_a_retry_repeats_is_the_deliverys(
    headers: dict[str, str], known_by: str
) -> None:
    found = KIND.read(sent(gitlab_push(), headers))
    assert isinstance(found, Accepted)
    assert found.delivery_id == known_by
    assert bool(found.content_key) == (not known_by)


def test_the_token_proves_it() -> None:
    assert KIND.verify(sent(headers={"x-gitlab-token": SECRET})) == Verified(secret=0)
    for token in ("", SECRET[:-1], SECRET + " ", SECRET.upper()):
        assert refused(KIND.verify(sent(headers={"x-gitlab-token": token})))[0] == 401


def test_the_signing_token_proves_it_by_a_signature() -> None:
    body, seconds = b'{"object_kind": "push"}', str(NOW // SECOND)
    headers = {
        "webhook-id": "id1",
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64_of(KEY, f'id1.{seconds}.'.encode() + body)}",
    }
    assert SIGNING.verify(sent(body=body, headers=headers)) == Verified(secret=0)
    assert refused(SIGNING.verify(sent(body=body + b" ", headers=headers)))[0] == 401


def test_security_row_31_the_sender_does_not_choose_the_proof() -> None:
    token = {"x-gitlab-token": f"whsec_{base64.b64encode(KEY).decode()}"}
    assert refused(SIGNING.verify(sent({}, token)))[0] == 401
    signed = {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1,AA=="}
    assert refused(KIND.verify(sent({}, signed)))[0] == 401


def test_a_signing_token_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="secret: what stands behind whsec_ is no base64"):
        GitLab(secret="whsec_!", signing=True)  # noqa: S106 - what is refused
