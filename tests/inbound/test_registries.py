from __future__ import annotations

import pytest

from tests.inbound.registries import (
    DIGEST,
    LAYER,
    OTHER_DIGEST,
    acr,
    docker_hub,
    envelope,
    harbor,
    harbor_cloud_event,
    harbor_resource,
    notice,
    quay,
)
from tests.inbound.sending import SECRET, change, changes, ignored, refused, sent
from tinyforge.clock import MINUTE
from tinyforge.deliveries import Accepted, Delivery, Receives, Verified
from tinyforge.triggers.acr import Acr
from tinyforge.triggers.distribution import Distribution
from tinyforge.triggers.dockerhub import DockerHub
from tinyforge.triggers.harbor import Harbor
from tinyforge.triggers.quay import Quay

DOCKER_HUB, QUAY, HARBOR, REGISTRY, AZURE = DockerHub(), Quay(), Harbor(), Distribution(), Acr()
CLOUD_EVENT = {"content-type": "application/cloudevents+json; charset=utf-8"}
ENVELOPE = {"content-type": "application/vnd.docker.distribution.events.v2+json"}
SIGNED: list[Receives] = [Harbor(secret=SECRET), Distribution(secret=SECRET), Acr(secret=SECRET)]


def notices(*some: dict[str, object]) -> Delivery:
    return sent(envelope(*some), ENVELOPE)


def identity(kind: Receives, delivery: Delivery) -> tuple[str, str]:
    found = kind.read(delivery)
    assert isinstance(found, Accepted)
    assert found.content_for == MINUTE
    return found.delivery_id, found.content_key


@pytest.mark.parametrize("at", [1_767_225_600, 1_767_225_600.5])
def test_docker_hub_says_image_and_tag_and_no_digest(at: float) -> None:
    found = change(DOCKER_HUB, sent(docker_hub(at=at)))
    assert (found.event, found.image) == ("image", "docker.io/acme/site")
    assert (found.repository, found.tag, found.digest) == ("acme/site", "v1", "")
    assert found.pusher == "ann"


def test_what_has_no_id_is_known_by_its_body() -> None:
    first, again = (identity(DOCKER_HUB, sent(docker_hub())) for _ in range(2))
    other = identity(DOCKER_HUB, sent(docker_hub("v2")))
    assert first == again
    assert first != other
    assert (first[0], other[0]) == ("", "")


def test_quay_says_several_tags_at_once() -> None:
    first, second = changes(QUAY, sent(quay()))
    assert (first.tag, second.tag) == ("v1", "latest")
    assert first.image == second.image == "quay.io/acme/site"
    assert first.repository == "acme/site"


def test_quays_old_format_has_an_object_of_tags() -> None:
    old = quay({"v1": "d3b07384", "latest": "d3b07384"})
    assert [one.tag for one in changes(QUAY, sent(old))] == ["v1", "latest"]


def test_quay_also_sends_what_is_no_push() -> None:
    assert "Push to Repository" in ignored(QUAY, sent(quay(())))
    assert "Push to Repository" in ignored(QUAY, sent(quay("v1")))


def test_quay_may_leave_the_repository_in_two_parts() -> None:
    payload = {key: value for key, value in quay().items() if key != "repository"}
    assert changes(QUAY, sent(payload))[0].image == "quay.io/acme/site"


def test_harbor_says_several_artifacts_at_once() -> None:
    some = harbor(harbor_resource("v1"), harbor_resource("v2", OTHER_DIGEST))
    first, second = changes(HARBOR, sent(some))
    assert (first.tag, first.digest) == ("v1", DIGEST)
    assert (second.tag, second.digest) == ("v2", OTHER_DIGEST)
    assert first.image == second.image == "registry.example.org/acme/site"
    assert first.pusher == "ann"


def test_harbor_repeats_the_digest_where_there_is_no_tag() -> None:
    assert "without a tag" in ignored(HARBOR, sent(harbor(harbor_resource(DIGEST))))
    only_tagged = harbor(harbor_resource(DIGEST), harbor_resource("v1"))
    assert [one.tag for one in changes(HARBOR, sent(only_tagged))] == ["v1"]


def test_harbors_cloud_events_have_an_id() -> None:
    delivery = sent(harbor_cloud_event(), CLOUD_EVENT)
    assert change(HARBOR, delivery).image == "registry.example.org/acme/site"
    assert identity(HARBOR, delivery) == ("4b2f89a6-548d-4c12-9993-a1f5790b97d2", "")
    assert identity(HARBOR, sent(harbor()))[0] == ""


@pytest.mark.parametrize("kind", ["PULL_ARTIFACT", "DELETE_ARTIFACT", "SCANNING_COMPLETED"])
def test_harbors_other_events_are_ignored_with_their_name(kind: str) -> None:
    assert kind in ignored(HARBOR, sent(harbor(kind=kind)))


def test_a_registrys_push_says_host_tag_and_digest() -> None:
    found = change(REGISTRY, notices())
    assert (found.event, found.image) == ("image", "registry.example.org:5000/acme/site")
    assert (found.repository, found.tag, found.digest) == ("acme/site", "v1", DIGEST)


@pytest.mark.parametrize(
    "one",
    [
        notice("pull"),
        notice("mount"),
        notice("delete"),
        notice(media=LAYER),
        notice(media="application/octet-stream"),
        notice(tag=None),
    ],
    ids=["pull", "mount", "delete", "layer", "blob", "by digest"],
)
def test_what_is_no_push_of_a_tag_is_taken_and_ignored(one: dict[str, object]) -> None:
    assert "no tag in it was pushed" in ignored(REGISTRY, notices(one))


@pytest.mark.parametrize(
    "media",
    [
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    ],
)
def test_every_form_of_a_manifest_is_an_image(media: str) -> None:
    assert change(REGISTRY, notices(notice(media=media))).tag == "v1"


def test_one_envelope_holds_several_events() -> None:
    delivery = notices(notice("pull", name="1"), notice(name="2"), notice(tag="v2", name="3"))
    assert [one.tag for one in changes(REGISTRY, delivery)] == ["v1", "v2"]


def test_an_envelope_is_known_by_all_of_its_ids() -> None:
    alone = identity(REGISTRY, notices(notice(name="1")))
    first = identity(REGISTRY, notices(notice(name="1"), notice(name="2")))
    again = identity(REGISTRY, notices(notice(name="1"), notice(name="2")))
    other = identity(REGISTRY, notices(notice(name="1"), notice(name="3")))
    assert alone == ("event-1", "")
    assert first == again
    assert len({alone, first, other}) == 3
    assert first[0].startswith("sha256:")


def test_azures_push_says_host_tag_and_digest() -> None:
    found = change(AZURE, sent(acr()))
    assert (found.image, found.tag, found.digest) == ("acme.azurecr.example/site", "v1", DIGEST)
    assert identity(AZURE, sent(acr()))[0] == "cb8c3971-9adc-488b-bdd8-43cbb4974ff5"


def test_azures_other_actions_deploy_nothing() -> None:
    assert change(AZURE, sent(acr("ping"))).event == "ping"
    assert "'delete'" in ignored(AZURE, sent(acr("delete")))
    assert "'chart_push'" in ignored(AZURE, sent(acr("chart_push")))
    assert "without a tag" in ignored(AZURE, sent(acr(tag=None)))


@pytest.mark.parametrize("kind", SIGNED, ids=lambda one: type(one).__name__)
def test_a_fixed_authorization_proves_it(kind: Receives) -> None:
    for value in (SECRET, f"Bearer {SECRET}"):
        assert kind.verify(sent(headers={"authorization": value})) == Verified(secret=0)
    for value in ("", "Bearer", "Bearer ", f"Basic {SECRET}", SECRET[1:], f"{SECRET} "):
        assert refused(kind.verify(sent(headers={"authorization": value})))[0] == 401
    assert not kind.is_unsigned


@pytest.mark.parametrize(
    "kind", [DOCKER_HUB, QUAY, HARBOR, REGISTRY, AZURE], ids=lambda one: type(one).__name__
)
def test_without_a_secret_the_kind_says_that_nothing_is_proved(kind: Receives) -> None:
    assert kind.is_unsigned
    assert kind.verify(sent({})) == Verified(secret=None)


@pytest.mark.parametrize(
    "kind", [DOCKER_HUB, QUAY, HARBOR, REGISTRY, AZURE], ids=lambda one: type(one).__name__
)
def test_what_another_program_sends_is_refused_with_what_is_missing(kind: Receives) -> None:
    status, because = refused(kind.read(sent({"text": "hello"})))
    assert status == 400
    assert because.startswith("the payload has no")
