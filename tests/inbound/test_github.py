from __future__ import annotations

import pytest

from tests.inbound.forges import commit, github_push, github_ref, package, workflow
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
from tinyforge.clock import MINUTE
from tinyforge.deliveries import Accepted, Delivery, Verified
from tinyforge.triggers.ghcr import Ghcr
from tinyforge.triggers.github import MOST_COMMITS, GitHub

KIND = GitHub(secret=SECRET)
GHCR = Ghcr(secret=SECRET)


def of(event: str, payload: object) -> Delivery:
    return sent(payload, {"x-github-event": event, "x-github-delivery": "72d3162e"})


def push(**other: object) -> Delivery:
    return of("push", github_push(**other))


def test_a_push_says_everything_about_the_branch() -> None:
    found = change(KIND, push())

    assert (found.event, found.repository) == ("push", "acme/site")
    assert (found.ref, found.branch, found.tag) == ("refs/heads/main", "main", "")
    assert (found.previous, found.commit) == (OLD, NEW)
    assert (found.created, found.deleted, found.forced) == (False, False, False)
    assert found.files == ("docs/a.md", "site/b.css")
    assert (found.message, found.pusher) == ("Mend it", "ann")


def test_a_delivery_is_known_by_its_id() -> None:
    found = KIND.read(push())
    assert isinstance(found, Accepted)
    assert (found.delivery_id, found.content_key) == ("72d3162e", "")


def test_a_delivery_without_an_id_is_known_by_its_body() -> None:
    first, same, other = (
        KIND.read(sent(github_push(after=after), {"x-github-event": "push"}))
        for after in (NEW, NEW, "c" * 40)
    )
    assert isinstance(first, Accepted)
    assert isinstance(other, Accepted)
    assert first == same
    assert first.content_key.startswith("sha256:")
    assert first.content_key != other.content_key


def test_a_pushed_tag_is_not_a_push() -> None:
    found = change(KIND, push(ref="refs/tags/v1.0", before=ZEROS, created=True))
    assert (found.event, found.tag, found.branch, found.files) == ("tag", "v1.0", "", None)


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/tags/v1"])
def test_a_push_that_deletes_is_a_delete(ref: str) -> None:
    found = change(KIND, push(ref=ref, after=ZEROS, deleted=True, commits=[], head_commit=None))
    assert (found.event, found.deleted) == ("delete", True)
    assert (found.commit, found.previous, found.files) == ("", OLD, None)


def test_a_zero_commit_of_sha_256_is_none_as_well() -> None:
    assert change(KIND, push(before="0" * 64)).created


@pytest.mark.parametrize(
    "other", [{"before": ZEROS}, {"created": True}, {"forced": True}, {"commits": []}]
)
def test_files_of_new_and_forced_branches_are_unknown(other: dict[str, object]) -> None:
    assert change(KIND, push(**other)).files is None


def test_files_are_unknown_where_github_may_have_left_commits_out() -> None:
    listed = [commit(NEW, "a")] * (MOST_COMMITS - 1)
    assert change(KIND, push(commits=listed)).files == ("a",)
    assert change(KIND, push(commits=[*listed, commit(NEW, "a")])).files is None


def test_files_are_unknown_where_a_commit_does_not_say_them() -> None:
    silent = {"id": NEW, "message": "Mend it"}
    assert change(KIND, push(commits=[commit(OLD, "a"), silent])).files is None


@pytest.mark.parametrize("name", ["feature/a", "v1.0", "a%2Fb", "refs/heads/main", "ünïcode"])
def test_a_branch_keeps_its_whole_name(name: str) -> None:
    assert change(KIND, push(ref=f"refs/heads/{name}")).branch == name


def test_a_branch_named_like_a_tag_is_a_branch() -> None:
    found = change(KIND, push(ref="refs/heads/refs/tags/v1"))
    assert (found.event, found.branch, found.tag) == ("push", "refs/tags/v1", "")


@pytest.mark.parametrize("ref", ["main", "refs/notes/commits", "refs/heads/", "refs/pull/1/head"])
def test_what_is_neither_a_branch_nor_a_tag_is_ignored(ref: str) -> None:
    assert "neither a branch nor a tag" in ignored(KIND, push(ref=ref))


@pytest.mark.parametrize("event", ["create", "delete"])
@pytest.mark.parametrize("name", ["v1.0", "feature/a"])
def test_create_and_delete_carry_bare_names(event: str, name: str) -> None:
    branch = change(KIND, of(event, github_ref(name, "branch")))
    tag = change(KIND, of(event, github_ref(name, "tag")))

    assert (branch.event, branch.branch, branch.tag) == (event, name, "")
    assert (tag.event, tag.branch, tag.tag) == (event, "", name)
    assert (branch.ref, tag.ref) == (f"refs/heads/{name}", f"refs/tags/{name}")
    assert branch.deleted == (event == "delete")
    assert branch.created == (event == "create")
    assert branch.files is None


def test_a_new_repository_is_no_branch() -> None:
    assert "'repository'" in ignored(KIND, of("create", github_ref(None, "repository")))


def test_only_the_publication_of_a_release_counts() -> None:
    payload = {
        "action": "published",
        "release": {"tag_name": "v2.0", "target_commitish": "main"},
        "repository": {"full_name": "acme/site"},
    }
    found = change(KIND, of("release", payload))
    assert (found.event, found.tag, found.ref) == ("release", "v2.0", "refs/tags/v2.0")
    assert "'created'" in ignored(KIND, of("release", payload | {"action": "created"}))


def test_a_workflow_counts_when_it_succeeds() -> None:
    found = change(KIND, of("workflow_run", workflow()))
    assert (found.event, found.branch, found.commit) == ("workflow", "main", NEW)
    assert "'failure'" in ignored(KIND, of("workflow_run", workflow("failure")))
    assert "not completed" in ignored(KIND, of("workflow_run", workflow(action="requested")))


@pytest.mark.parametrize("fork", ["mallory/site", ""])
def test_security_row_10_the_workflow_of_a_fork_is_ignored(fork: str) -> None:
    assert "fork" in ignored(KIND, of("workflow_run", workflow(fork=fork)))


def test_a_check_suite_counts_as_a_workflow() -> None:
    suite = {"head_branch": "main", "head_sha": NEW, "conclusion": "success", "before": ZEROS}
    payload = {
        "action": "completed",
        "check_suite": suite,
        "repository": {"full_name": "acme/site"},
    }
    found = change(KIND, of("check_suite", payload))
    assert (found.event, found.branch, found.previous) == ("workflow", "main", "")
    of_a_fork = payload | {"check_suite": suite | {"head_branch": None}}
    assert "no branch" in ignored(KIND, of("check_suite", of_a_fork))


def test_a_ping_is_an_event() -> None:
    payload = {"zen": "Keep it logically awesome.", "hook_id": 1, "sender": {"login": "ann"}}
    assert change(KIND, of("ping", payload)).event == "ping"
    assert change(GHCR, of("ping", payload)).event == "ping"


def test_other_events_are_ignored_with_their_name() -> None:
    assert "'star'" in ignored(KIND, of("star", {"action": "created"}))
    assert "'push'" in ignored(GHCR, push())


@pytest.mark.parametrize("kind", [KIND, GHCR], ids=["github", "ghcr"])
def test_a_container_package_is_an_image(kind: GitHub | Ghcr) -> None:
    found = change(kind, of("package", package()))
    assert (found.event, found.image, found.repository) == (
        "image",
        "ghcr.io/acme/site",
        "acme/site",
    )
    assert (found.tag, found.digest) == ("v1", f"sha256:{'1' * 64}")


def test_package_and_registry_package_of_one_push_are_one_event() -> None:
    both = [
        GHCR.read(sent(package(name), {"x-github-event": name, "x-github-delivery": name}))
        for name in ("package", "registry_package")
    ]
    first, second = both
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.content_key == second.content_key != ""
    assert first.content_for == second.content_for == 10 * MINUTE
    assert first.delivery_id != second.delivery_id


def test_another_tag_or_digest_is_another_event() -> None:
    keys = {
        found.content_key
        for payload in (package(), package(tag="v2"), package(digest=f"sha256:{'2' * 64}"))
        if isinstance(found := GHCR.read(of("package", payload)), Accepted)
    }
    assert len(keys) == 3


def test_parts_of_an_image_have_no_tag_and_are_ignored() -> None:
    assert "without a tag" in ignored(GHCR, of("package", package(tag="")))


def test_packages_that_are_no_containers_are_ignored() -> None:
    payload = {"action": "published", "package": {"package_type": "npm", "name": "a"}}
    assert "'npm'" in ignored(GHCR, of("package", payload))


def test_a_form_carries_the_json_and_its_own_bytes_are_signed() -> None:
    body = form_of(github_push())
    headers = {"content-type": FORM, "x-github-event": "push"}
    signed = headers | {"x-hub-signature-256": f"sha256={hex_of(SECRET, body)}"}

    assert KIND.verify(sent(body=body, headers=signed)) == Verified(secret=0)
    assert change(KIND, sent(body=body, headers=headers)).branch == "main"


@pytest.mark.parametrize("body", [b"", b"other=1", b"payload=1&payload=2"])
def test_a_form_without_one_payload_is_refused(body: bytes) -> None:
    headers = {"content-type": FORM, "x-github-event": "push"}
    assert refused(KIND.read(sent(body=body, headers=headers)))[0] == 400


def test_what_is_not_githubs_is_refused_with_what_is_missing() -> None:
    assert refused(KIND.read(sent({}))) == (400, "it has no x-github-event: is it GitHub's?")
    status, because = refused(KIND.read(of("push", {"ref": "refs/heads/main"})))
    assert status == 400
    assert "repository.full_name, before, after" in because


def test_another_content_type_is_refused_as_one() -> None:
    headers = {"content-type": "text/xml", "x-github-event": "push"}
    status, because = refused(KIND.read(sent(body=b"<a/>", headers=headers)))
    assert (status, "application/json" in because) == (415, True)
