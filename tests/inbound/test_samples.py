from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.inbound.sending import NEW, NOW, SECRET, base64_of, change, hex_of
from tests.inbound.test_webhook import AZURE_FIELDS
from tinyforge.deliveries import EVENTS, Receives, Verified
from tinyforge.inbound.samples import example
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

ODD = "geheim-ä-秘密"
URL = "https://ci.example.org/hooks/abcdefghijklmnopqrstuv"
FIELDS = {"ref": "/push/ref", "commit": "/push/commits/0/id", "repository": "/repo/name~1slug"}
KINDS: list[Receives] = [
    GitHub(secret=SECRET),
    GitLab(secret=SECRET),
    GitLab(secret=SECRET, signing=True),
    Gitea(secret=SECRET),
    Bitbucket(secret=SECRET),
    Webhook(secret=SECRET, fields=FIELDS),
    Webhook(secret=SECRET, fields=FIELDS, proof="bearer"),
    Webhook(secret=f"me:{SECRET}", fields=FIELDS, proof="basic"),
    Webhook(secret=SECRET, proof="hmac", header="X-Sig", encoding="base64", algorithm="sha512"),
    Webhook(secret=SECRET, fields=AZURE_FIELDS, event="workflow"),
    Ghcr(secret=SECRET),
    DockerHub(),
    Quay(),
    Harbor(secret=SECRET),
    Harbor(),
    Distribution(secret=SECRET),
    Acr(),
]
SENT = [(kind, event) for kind in KINDS for event in kind.sent()]


def called(kind: Receives, event: str) -> str:
    return f"{type(kind).__name__}-{event}"


@pytest.mark.parametrize(("kind", "event"), SENT, ids=[called(kind, event) for kind, event in SENT])
def test_a_sample_is_taken_as_what_it_says(kind: Receives, event: str) -> None:
    said = example(event, {"repository": "acme/site"}, NEW)
    sent = kind.sample(said, NOW)
    assert isinstance(kind.verify(sent), Verified)
    found = change(kind, sent)
    assert found.event == event
    if not isinstance(kind, Webhook) and event != "ping":
        assert found.repository == said.repository
        assert (found.branch, found.tag) == (said.branch, said.tag)
        assert found.commit in {said.commit, ""}


def test_the_signature_of_a_sample_is_that_of_openssl() -> None:
    sent = GitHub(secret=SECRET).sample(example("push", {}, NEW), NOW)
    assert sent.headers["x-hub-signature-256"] == f"sha256={hex_of(SECRET, sent.body)}"
    by_token = Webhook(secret=SECRET).sample(example("push", {}, NEW), NOW)
    head = f"{by_token.headers['webhook-id']}.{by_token.headers['webhook-timestamp']}."
    signature = base64_of(SECRET, head.encode() + by_token.body)
    assert by_token.headers["webhook-signature"] == f"v1,{signature}"


def test_a_sample_carries_what_was_asked_for() -> None:
    facts = {"branch": "dev", "files": "web/a.js,docs/b.md", "pusher": "mona", "message": "fix"}
    found = change(
        GitHub(secret=SECRET), GitHub(secret=SECRET).sample(example("push", facts, NEW), NOW)
    )
    assert (found.branch, found.pusher, found.message) == ("dev", "mona", "fix")
    assert found.files == ("web/a.js", "docs/b.md")
    mapped = Webhook(secret=SECRET, fields=FIELDS)
    found = change(mapped, mapped.sample(example("push", {"branch": "dev"}, NEW), NOW))
    assert (found.branch, found.commit, found.repository) == ("dev", NEW, "example/site")


def test_an_image_is_named_whole_or_by_its_parts() -> None:
    said = example("image", {"image": "ghcr.io/acme/site", "tag": "v2"}, NEW)
    assert (said.repository, said.tag) == ("acme/site", "v2")
    found = change(Harbor(), Harbor().sample(said, NOW))
    assert replace(found, pusher=said.pusher) == said


def test_a_push_of_a_tag_is_said_by_its_tag() -> None:
    said = example("push", {"tag": "v3"}, NEW)
    assert (said.event, said.ref) == ("tag", "refs/tags/v3")


def test_an_unknown_fact_is_told_from_the_known() -> None:
    with pytest.raises(ValueError, match="no fact 'brnch'; known: repository, branch, "):
        example("push", {"brnch": "main"}, NEW)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_what_a_provider_never_sends_is_no_sample(kind: Receives) -> None:
    for event in set(EVENTS) - set(kind.sent()):
        with pytest.raises(ValueError, match=f"it never sends '{event}'; it sends "):
            kind.sample(example(event, {}, NEW), NOW)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_the_way_to_set_it_up_has_the_url_and_never_the_secret(kind: Receives) -> None:
    steps = kind.setup(URL)
    assert sum(URL in step for step in steps) == 1
    assert SECRET not in "".join(steps)


def test_the_way_to_set_it_up_names_where_the_secret_is() -> None:
    rotating = GitHub(secret=("${env:NEW}", "${file:/run/secrets/old}"))
    said = "the value of ${env:NEW} or, while you change it, the value of ${file:/run/secrets/old}"
    assert f"Secret: {said}" in rotating.setup(URL)


@pytest.mark.parametrize(
    "kind",
    [
        GitLab(secret=ODD),
        Harbor(secret=ODD),
        Webhook(secret=ODD, proof="bearer"),
        Webhook(secret=f"ich:{ODD}", proof="basic"),
    ],
    ids=lambda kind: type(kind).__name__,
)
def test_a_secret_of_any_letters_is_sent_as_its_bytes(kind: Receives) -> None:
    sent = kind.sample(example(kind.sent()[0], {}, NEW), NOW)
    assert isinstance(kind.verify(sent), Verified)
    assert all(value.encode("latin-1") for value in sent.headers.values())
