from __future__ import annotations

import json

import pytest

from tests.inbound.forges import commit, gitea_push, github_ref, gogs_push
from tests.inbound.sending import (
    FORM,
    NEW,
    OLD,
    SECRET,
    ZEROS,
    change,
    form_of,
    hex_of,
    ignored,
    refused,
    sent,
)
from tinyforge.deliveries import Accepted, Delivery, Verified
from tinyforge.triggers.gitea import Gitea

KIND = Gitea(secret=SECRET)


def of(event: str, payload: object) -> Delivery:
    names = {"x-gitea-event": event, "x-gogs-event": event, "x-github-event": event}
    return sent(payload, names | {"x-gitea-delivery": "f6266f16"})


def test_a_push_says_everything_about_the_branch() -> None:
    found = change(KIND, of("push", gitea_push()))

    assert (found.event, found.repository, found.branch) == ("push", "acme/site", "main")
    assert (found.previous, found.commit) == (OLD, NEW)
    assert (found.files, found.message) == (("site/b.css",), "Mend it")
    assert found.pusher == "ann"


def test_files_are_unknown_where_some_commits_are_left_out() -> None:
    assert change(KIND, of("push", gitea_push(total_commits=6))).files is None


def test_gogs_does_not_say_whether_it_lists_all_commits() -> None:
    assert change(KIND, of("push", gogs_push())).files is None


def test_deletes_and_new_tags_are_told_by_zeros() -> None:
    gone = change(KIND, of("push", gitea_push(after=ZEROS, commits=[], total_commits=0)))
    tag = change(KIND, of("push", gitea_push(ref="refs/tags/v1", before=ZEROS)))
    assert (gone.event, gone.commit, gone.previous) == ("delete", "", OLD)
    assert (tag.event, tag.tag, tag.created, tag.files) == ("tag", "v1", True, None)


def test_create_and_delete_carry_bare_names() -> None:
    payload = github_ref("feature/a", "branch") | {"sha": NEW}
    made, gone = change(KIND, of("create", payload)), change(KIND, of("delete", payload))
    assert (made.ref, made.branch, made.commit) == ("refs/heads/feature/a", "feature/a", NEW)
    assert (gone.event, gone.branch, gone.commit, gone.deleted) == ("delete", "feature/a", "", True)


def test_a_published_release_is_a_release() -> None:
    payload = {
        "action": "published",
        "release": {"tag_name": "v2"},
        "repository": {"full_name": "a/b"},
    }
    assert change(KIND, of("release", payload)).tag == "v2"


def test_other_events_are_ignored_with_their_name() -> None:
    assert "'fork'" in ignored(KIND, of("fork", {}))


@pytest.mark.parametrize("family", ["forgejo", "gitea", "gogs"])
def test_each_of_the_family_is_known_by_its_own_headers(family: str) -> None:
    body = json.dumps(gitea_push(commits=[commit(NEW, "ü")])).encode()
    headers = {
        f"x-{family}-event": "push",
        f"x-{family}-delivery": "f6266f16",
        f"x-{family}-signature": hex_of(SECRET, body),
    }
    delivery = sent(body=body, headers=headers)
    found = KIND.read(delivery)

    assert KIND.verify(delivery) == Verified(secret=0)
    assert isinstance(found, Accepted)
    assert found.delivery_id == "f6266f16"


def test_of_a_form_the_json_is_signed_and_not_the_form() -> None:
    payload, form = json.dumps(gitea_push()).encode(), form_of(gitea_push())
    headers = {"content-type": FORM, "x-gitea-event": "push"}
    right = headers | {"x-gitea-signature": hex_of(SECRET, payload)}
    wrong = headers | {"x-gitea-signature": hex_of(SECRET, form)}

    assert KIND.verify(sent(body=form, headers=right)) == Verified(secret=0)
    assert refused(KIND.verify(sent(body=form, headers=wrong)))[0] == 401
    assert change(KIND, sent(body=form, headers=right)).branch == "main"


def test_a_signature_that_is_present_and_empty_is_never_a_pass() -> None:
    body = b"{}"
    headers = {"x-forgejo-signature": "", "x-gitea-signature": hex_of(SECRET, body)}
    assert refused(KIND.verify(sent(body=body, headers=headers)))[0] == 401


def test_githubs_headers_alone_do_not_make_it_a_gitea() -> None:
    found = refused(KIND.read(sent(gitea_push(), {"x-github-event": "push"})))
    assert found == (400, "it has no x-gitea-event: is it a Gitea's?")
