"""Payloads that GitHub's own libraries are tested with, fetched once by `npm pack`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from tests.inbound.sending import SECRET, sent
from tinyforge.deliveries import Accepted, Change, Ignored
from tinyforge.triggers.ghcr import Ghcr
from tinyforge.triggers.github import GitHub

SOURCES = ["api.github.com", "ghes-31", "ghes-32", "ghes-33", "ghes-34", "ghes-35"]
KIND = GitHub(secret=SECRET)


class Examples(Struct, frozen=True):
    name: str
    examples: list[dict[str, object]]


def examples(folder: Path, source: str) -> list[tuple[str, Mapping[str, object]]]:
    groups = msgspec.json.decode((folder / source / "index.json").read_bytes(), type=list[Examples])
    return [(group.name, example) for group in groups for example in group.examples]


def outcome(kind: GitHub | Ghcr, event: str, payload: object) -> object:
    headers = {"x-github-event": event, "x-github-delivery": "1"}
    return kind.read(sent(payload, headers))


def changes(folder: Path, event: str) -> list[tuple[Mapping[str, object], Change]]:
    found = []
    for name, payload in examples(folder, "api.github.com"):
        accepted = outcome(KIND, event, payload) if name == event else None
        if isinstance(accepted, Accepted):
            found.append((payload, accepted.changes[0]))
    assert found, f"no example of {event} is an event"
    return found


def test_no_source_of_payloads_is_left_out(published: Path) -> None:
    assert sorted(one.parent.name for one in published.glob("*/index.json")) == SOURCES


@pytest.mark.parametrize("source", SOURCES)
def test_every_payload_is_an_event_or_ignored_with_a_reason(published: Path, source: str) -> None:
    taken = Counter(
        type(outcome(kind, event, payload)).__name__
        for event, payload in examples(published, source)
        for kind in (KIND, Ghcr(secret=SECRET))
    )
    assert set(taken) == {"Accepted", "Ignored"}
    assert taken.total() > 90


def test_a_push_is_what_its_payload_says(published: Path) -> None:
    for payload, change in changes(published, "push"):
        assert change.ref == payload["ref"]
        assert change.event == expected_of(payload)
        assert change.forced == payload["forced"]
        assert payload["after"] in {change.commit, "0" * 40}
        assert json.dumps(payload).count(change.repository) > 1


def expected_of(payload: Mapping[str, object]) -> str:
    if payload["deleted"]:
        return "delete"
    return "tag" if str(payload["ref"]).startswith("refs/tags/") else "push"


@pytest.mark.parametrize("event", ["create", "delete"])
def test_create_and_delete_name_what_their_payload_names(published: Path, event: str) -> None:
    for payload, change in changes(published, event):
        assert change.event == event
        named = change.branch if payload["ref_type"] == "branch" else change.tag
        assert named == payload["ref"]


def test_a_ping_is_a_ping(published: Path) -> None:
    assert {change.event for _, change in changes(published, "ping")} == {"ping"}


def test_packages_are_images_only_if_they_are_containers_with_a_tag(published: Path) -> None:
    packages = [
        payload for name, payload in examples(published, "api.github.com") if name == "package"
    ]
    reasons = Counter(
        found.because
        for one in packages
        if isinstance(found := outcome(KIND, "package", one), Ignored)
    )
    assert len(packages) == reasons.total() == 3
    assert reasons["pushed by its digest, without a tag"] == 1

    (container,) = [one for one in packages if "container_metadata" in json.dumps(one)]
    text = json.dumps(container).replace('"tag": {"name": ""', '"tag": {"name": "v1"')
    found = outcome(KIND, "package", json.loads(text))
    assert isinstance(found, Accepted)
    assert (found.changes[0].event, found.changes[0].tag) == ("image", "v1")
    assert found.changes[0].image.startswith("ghcr.io/codertocat/")


def test_releases_and_workflows_are_events_only_when_they_are_done(published: Path) -> None:
    assert all(payload["action"] == "published" for payload, _ in changes(published, "release"))
    for payload, change in changes(published, "workflow_run"):
        assert payload["action"] == "completed"
        assert change.event == "workflow"
