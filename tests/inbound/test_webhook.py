from __future__ import annotations

import base64
from typing import Literal

import pytest

from tests.inbound.sending import (
    NEW,
    OLD,
    SECRET,
    ZEROS,
    base64_of,
    change,
    hex_of,
    refused,
    sent,
)
from tinyforge.deliveries import Accepted, Receives, Verified
from tinyforge.triggers.webhook import Webhook

BODY = b'{"a": 1}'
AZURE = {
    "id": "03c164c2",
    "eventType": "git.push",
    "resource": {
        "refUpdates": [{"name": "refs/heads/main", "oldObjectId": OLD, "newObjectId": NEW}],
        "repository": {"name": "site", "remoteUrl": "https://dev.example.org/acme/site"},
        "pushedBy": {"displayName": "Ann"},
    },
}
AZURE_FIELDS = {
    "repository": "/resource/repository/name",
    "ref": "/resource/refUpdates/0/name",
    "commit": "/resource/refUpdates/0/newObjectId",
    "previous": "/resource/refUpdates/0/oldObjectId",
    "pusher": "/resource/pushedBy/displayName",
    "delivery_id": "/id",
}


def mapping(**fields: str) -> Webhook:
    return Webhook(secret=SECRET, fields=fields)


def hmac_kind(
    header: str = "X-Signature",
    prefix: str = "",
    encoding: Literal["hex", "base64"] = "hex",
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256",
) -> Webhook:
    return Webhook(
        secret=SECRET,
        proof="hmac",
        header=header,
        prefix=prefix,
        encoding=encoding,
        algorithm=algorithm,
    )


def passes(kind: Receives, headers: dict[str, str], body: bytes = BODY) -> bool:
    found = kind.verify(sent(body=body, headers=headers))
    if isinstance(found, Verified):
        return True
    assert refused(found)[0] == 401
    return False


def test_facts_come_from_where_the_pointers_lead() -> None:
    kind = Webhook(secret="user:password", proof="basic", fields=AZURE_FIELDS)  # noqa: S106 - an example
    found = kind.read(sent(AZURE))

    assert isinstance(found, Accepted)
    assert found.delivery_id == "03c164c2"
    (one,) = found.changes
    assert (one.event, one.repository, one.pusher) == ("push", "site", "Ann")
    assert (one.ref, one.branch, one.commit, one.previous) == ("refs/heads/main", "main", NEW, OLD)


def test_what_a_pointer_does_not_find_is_absent() -> None:
    found = change(mapping(branch="/no/such", files="/files", forced="/forced"), sent({"a": 1}))
    assert (found.branch, found.files, found.forced) == ("", None, False)


@pytest.mark.parametrize("value", [{"x": 1}, ["x"], True, None, 1.5])
def test_only_text_and_whole_numbers_become_text(value: object) -> None:
    assert change(mapping(branch="/b"), sent({"b": value})).branch == ""


def test_a_number_becomes_text() -> None:
    assert change(mapping(tag="/build"), sent({"build": 17})).tag == "17"


def test_zeros_stand_for_no_commit() -> None:
    kind = mapping(ref="/ref", commit="/after", previous="/before")
    gone = change(kind, sent({"ref": "refs/heads/a", "before": OLD, "after": ZEROS}))
    made = change(kind, sent({"ref": "refs/tags/v1", "before": ZEROS, "after": NEW}))
    assert (gone.event, gone.deleted, gone.commit) == ("delete", True, "")
    assert (made.event, made.tag, made.created, made.previous) == ("tag", "v1", True, "")


def test_files_are_a_list_of_texts_or_unknown() -> None:
    kind = mapping(files="/files", created="/new")
    assert change(kind, sent({"files": ["a", "b"]})).files == ("a", "b")
    for payload in (
        {"files": ["a", 1]},
        {"files": []},
        {"files": "a"},
        {"files": ["a"], "new": True},
    ):
        assert change(kind, sent(payload)).files is None


def test_an_image_keeps_only_a_digest_that_is_one() -> None:
    kind = Webhook(
        secret=SECRET, event="image", fields={"image": "/i", "tag": "/t", "digest": "/d"}
    )
    digest = f"sha256:{'1' * 64}"
    good = change(kind, sent({"i": "r.example.org/a", "t": "v1", "d": digest}))
    odd = change(kind, sent({"i": "r.example.org/a", "t": "v1", "d": "$(id)"}))
    assert (good.event, good.image, good.digest) == ("image", "r.example.org/a", digest)
    assert odd.digest == ""


def test_a_delivery_needs_no_body_and_no_fields() -> None:
    assert change(Webhook(secret=SECRET), sent(body=b"")).event == "push"


def test_a_delivery_is_known_by_the_header_that_the_config_names() -> None:
    kind = Webhook(secret=SECRET, id_header="X-Build-Id", fields={"delivery_id": "/id"})
    headers = {"x-build-id": "17", "webhook-id": "18"}
    found = kind.read(sent({"id": "19"}, headers))
    without = kind.read(sent({"id": "19"}))
    assert isinstance(found, Accepted)
    assert isinstance(without, Accepted)
    assert (found.delivery_id, without.delivery_id) == ("17", "19")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
@pytest.mark.parametrize("prefix", ["", "sha="])
def test_an_hmac_stands_in_the_named_header_as_the_config_says(
    algorithm: Literal["sha256", "sha512", "sha1"], prefix: str
) -> None:
    hexadecimal = hmac_kind(prefix=prefix, algorithm=algorithm)
    padded = hmac_kind(prefix=prefix, algorithm=algorithm, encoding="base64")
    as_hex = {"x-signature": prefix + hex_of(SECRET, BODY, algorithm)}
    as_base64 = {"x-signature": prefix + base64_of(SECRET, BODY, algorithm)}

    assert passes(hexadecimal, as_hex)
    assert passes(padded, as_base64)
    assert not passes(hexadecimal, as_base64)
    assert not passes(padded, as_hex)
    assert not passes(hexadecimal, as_hex, BODY + b" ")


def test_security_row_31_sha_1_passes_only_where_the_config_says_so() -> None:
    old = {"x-signature": hex_of(SECRET, BODY, "sha1")}
    assert not passes(hmac_kind(), old)
    assert passes(hmac_kind(algorithm="sha1"), old)


@pytest.mark.parametrize("value", ["", " ", "00", "zz" * 32, "\u0660" * 64])
def test_an_hmac_that_is_empty_or_none_is_no_pass(value: str) -> None:
    assert not passes(hmac_kind(), {"x-signature": value})
    assert not passes(hmac_kind(), {})


def test_a_bearer_token_proves_it() -> None:
    kind = Webhook(secret=SECRET, proof="bearer")
    assert passes(kind, {"authorization": f"Bearer {SECRET}"})
    assert passes(kind, {"authorization": f"bearer {SECRET}"})
    for value in ("", "Bearer", "Bearer ", SECRET, f"Basic {SECRET}", f"Bearer {SECRET}x"):
        assert not passes(kind, {"authorization": value})


def test_user_and_password_prove_it() -> None:
    kind = Webhook(secret=("ann:old", "ann:new"), proof="basic")
    login = base64.b64encode(b"ann:new").decode()
    delivery = sent(body=BODY, headers={"authorization": f"Basic {login}"})
    assert kind.verify(delivery) == Verified(secret=1)
    for value in ("", "Basic ", "Basic ann:new", f"Bearer {login}", f"Basic {login}="):
        assert not passes(kind, {"authorization": value})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"proof": "hmac"}, "header: name the header"),
        ({"proof": "hmac", "header": "X Signature"}, "header: name the header"),
        ({"header": "X-Signature"}, "header: only with `proof: hmac`"),
        ({"proof": "bearer", "algorithm": "sha1"}, "algorithm: only with `proof: hmac`"),
        ({"proof": "basic"}, "secret: with `proof: basic` it is user:password"),
        ({"id_header": "X:Id"}, "id_header: cannot be the name of a header"),
        ({"fields": {"branhc": "/a"}}, "fields: an event has no 'branhc'; did you mean 'branch'?"),
        ({"fields": {"event": "/a"}}, "fields: an event has no 'event'"),
        ({"fields": {"branch": "a"}}, "fields: branch: 'a' is not a JSON pointer"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(config: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        Webhook(secret=SECRET, **config)  # type: ignore[arg-type] - each in turn
