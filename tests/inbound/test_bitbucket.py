from __future__ import annotations

import pytest

from tests.inbound.forges import cloud_push, cloud_side, data_center_change, data_center_push
from tests.inbound.sending import (
    NEW,
    OLD,
    SECRET,
    ZEROS,
    change,
    changes,
    hex_of,
    ignored,
    refused,
    sent,
)
from tinyforge.deliveries import Accepted, Delivery, Ignored, Verified
from tinyforge.triggers.bitbucket import Bitbucket

KIND = Bitbucket(secret=SECRET)
CLOUD = {"x-event-key": "repo:push", "x-request-uuid": "u1", "x-attempt-number": "1"}
DATA_CENTER = {"x-event-key": "repo:refs_changed", "x-request-id": "r1"}
PING = {"x-event-key": "diagnostics:ping"}


def cloud(*some: dict[str, object]) -> Delivery:
    return sent(cloud_push(*some), CLOUD)


def data_center(*some: dict[str, object]) -> Delivery:
    return sent(data_center_push(*some), DATA_CENTER)


def test_a_push_to_the_cloud_says_the_branch_and_no_files() -> None:
    found = change(KIND, cloud())

    assert (found.event, found.repository, found.branch) == ("push", "acme/site", "main")
    assert (found.ref, found.previous, found.commit) == ("refs/heads/main", OLD, NEW)
    assert (found.files, found.message, found.pusher) == (None, "Mend it", "Ann")


def test_several_refs_of_one_push_are_several_changes_in_their_order() -> None:
    new_tag = {"new": cloud_side("v1", NEW, "tag"), "old": None, "created": True}
    gone = {"new": None, "old": cloud_side("old/b", OLD), "closed": True}
    forced = {"new": cloud_side("main", NEW), "old": cloud_side("main", OLD), "forced": True}

    tag, deleted, rewritten = changes(KIND, cloud(new_tag, gone, forced))

    assert (tag.event, tag.tag, tag.branch, tag.created) == ("tag", "v1", "", True)
    assert (deleted.event, deleted.branch, deleted.commit) == ("delete", "old/b", "")
    assert deleted.previous == OLD
    assert (rewritten.event, rewritten.forced) == ("push", True)


def test_a_branch_and_a_tag_of_one_name_are_told_apart() -> None:
    branch = {"new": cloud_side("v1", NEW), "old": None}
    tag = {"new": cloud_side("v1", NEW, "tag"), "old": None}
    first, second = changes(KIND, cloud(branch, tag))
    assert (first.ref, second.ref) == ("refs/heads/v1", "refs/tags/v1")


def test_a_push_without_readable_changes_is_ignored() -> None:
    assert "no branch" in ignored(KIND, cloud({"new": None, "old": None}))
    assert refused(KIND.read(sent({"repository": {"full_name": "a/b"}}, CLOUD))) == (
        400,
        "the payload has no list at push.changes",
    )


def test_a_push_to_the_data_center_may_hold_several_refs_too() -> None:
    tag = data_center_change("refs/tags/v1", ZEROS, NEW, "ADD", "TAG")
    main = data_center_change("refs/heads/feature/a", OLD, NEW, "UPDATE")
    gone = data_center_change("refs/heads/old", OLD, ZEROS, "DELETE")

    first, second, third = changes(KIND, data_center(tag, main, gone))

    assert (first.event, first.tag, first.created) == ("tag", "v1", True)
    assert (second.event, second.branch, second.repository) == ("push", "feature/a", "ACME/site")
    assert (third.event, third.branch, third.commit) == ("delete", "old", "")
    assert {one.files for one in (first, second, third)} == {None}


@pytest.mark.parametrize(("delivery", "known_by"), [(cloud(), "u1"), (data_center(), "r1")])
def test_a_delivery_is_known_by_its_id(delivery: Delivery, known_by: str) -> None:
    found = KIND.read(delivery)
    assert isinstance(found, Accepted)
    assert found.delivery_id == known_by


@pytest.mark.parametrize("headers", [CLOUD, DATA_CENTER], ids=["cloud", "data center"])
def test_the_signature_is_sha_256_despite_the_headers_name(headers: dict[str, str]) -> None:
    body = b'{"a": 1}'
    right = headers | {"x-hub-signature": f"sha256={hex_of(SECRET, body)}"}
    wrong = headers | {"x-hub-signature": f"sha1={hex_of(SECRET, body, 'sha1')}"}
    assert KIND.verify(sent(body=body, headers=right)) == Verified(secret=0)
    assert refused(KIND.verify(sent(body=body, headers=wrong)))[0] == 401


@pytest.mark.parametrize("body", [b"", b"{}", b'{"test": true}', b'{"test":true}\n'])
def test_the_connection_test_of_the_data_center_is_unsigned_and_does_nothing(body: bytes) -> None:
    assert isinstance(KIND.verify(sent(body=body, headers=PING)), Ignored)
    assert isinstance(KIND.read(sent(body=body, headers=PING)), Ignored)


def test_nothing_else_passes_as_a_connection_test() -> None:
    large = sent(body=b'{"push": "' + b"a" * 100 + b'"}', headers=PING)
    signed_wrongly = sent(body=b"{}", headers=PING | {"x-hub-signature": ""})
    of_another_event = sent(body=b"{}", headers=CLOUD)
    for delivery in (large, signed_wrongly, of_another_event):
        assert refused(KIND.verify(delivery))[0] == 401


def test_other_events_are_ignored_with_their_name() -> None:
    found = sent({}, {"x-event-key": "pullrequest:created"})
    assert "'pullrequest:created'" in ignored(KIND, found)
    assert refused(KIND.read(sent({}))) == (400, "it has no x-event-key: is it Bitbucket's?")
