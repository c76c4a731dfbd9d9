"""What of a delivery is stored as facts, what a run is told, which headers are kept: pure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tinyforge.changes import Change
from tinyforge.engine.facts import LARGEST, facts_of, told_to_run
from tinyforge.engine.headers import kept_headers
from tinyforge.model import Event, EventId, Json, TriggerId

PUSH = Change(event="push", branch="main", commit="b" * 40, files=["web/a"])


def size(facts: Json) -> int:
    return len(json.dumps(facts, separators=(",", ":")).encode())


def listed(facts: Json | None) -> list[dict[str, object]]:
    assert facts is not None
    changes = facts["changes"]
    assert isinstance(changes, list)
    return changes


def test_what_is_not_known_or_not_so_is_left_out() -> None:
    assert facts_of([PUSH]) == {
        "changes": [{"event": "push", "branch": "main", "commit": "b" * 40, "files": ["web/a"]}]
    }


def test_files_that_are_too_many_are_unknown_and_some_are_named() -> None:
    facts = facts_of([replace(PUSH, files=[f"web/{n:06}" for n in range(40_000)])])
    (change,) = listed(facts)
    assert facts is not None
    assert facts["truncated"] == ["files"]
    assert "files" not in change
    assert change["some_files"] == [f"web/{n:06}" for n in range(100)]
    assert change["files_in_all"] == 40_000


def test_of_too_many_changes_the_last_ones_stay() -> None:
    changes = [Change(event="push", branch=f"b{n}" * 10, commit="c" * 40) for n in range(5_000)]
    facts = facts_of(changes)
    assert facts is not None
    kept = listed(facts)
    assert kept[-1]["branch"] == "b4999" * 10
    assert facts["changes_left_out"] == 5_000 - len(kept)
    assert size(facts) <= LARGEST


def test_a_change_that_is_too_large_alone_is_no_event() -> None:
    assert facts_of([Change(event="push", branch="x" * LARGEST)]) is None


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=40), st.integers(0, 300_000))
def test_facts_are_never_larger_than_may_be_stored(files: list[int], message: int) -> None:
    changes = [replace(PUSH, files=["é" * 20] * count, message="m" * message) for count in files]
    facts = facts_of(changes)
    assert facts is not None
    assert len(json.dumps(facts, separators=(",", ":"), ensure_ascii=False).encode()) <= LARGEST
    assert listed(facts)


def event(*changes: Change) -> Event:
    facts = facts_of(changes)
    assert facts is not None
    return Event(id=EventId(1), trigger_id=TriggerId(1), accepted_at=0, facts=facts)


def test_a_run_is_told_its_change_first_and_all_of_them() -> None:
    first, last = replace(PUSH, branch="one"), replace(PUSH, branch="two")
    assert told_to_run(event(first, last), 0).facts["branch"] == "one"
    told = told_to_run(event(first, last), None).facts
    assert told["branch"] == "two"
    assert [one["branch"] for one in listed(told)] == ["one", "two"]


@pytest.mark.parametrize("facts", [{}, {"branch": "main"}, {"changes": 5}, {"changes": [7]}])
def test_other_facts_are_left_as_they_are(facts: Json) -> None:
    given_by_hand = replace(event(PUSH), facts=facts)
    assert told_to_run(given_by_hand, 0) is given_by_hand


PROVES = (
    *("authorization", "proxy-authorization", "cookie", "x-hub-signature-256", "x-gitlab-token"),
    *("webhook-signature", "x-api-key", "x-auth-token", "x-secret", "x-hub-signature"),
)


@pytest.mark.parametrize("name", PROVES)
def test_a_header_that_proves_something_is_kept_by_its_name_alone(name: str) -> None:
    assert json.loads(kept_headers({name: "what it proves"})) == {name: "***"}


@pytest.mark.parametrize("name", ["x-github-delivery", "idempotency-key", "webhook-id", "host"])
def test_what_a_delivery_is_known_and_read_by_is_kept(name: str) -> None:
    assert json.loads(kept_headers({name: "value"})) == {name: "value"}


def test_a_header_of_a_kinds_own_may_prove_something() -> None:
    assert json.loads(kept_headers({"x-mine": "abc"}, {"x-mine"})) == {"x-mine": "***"}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"/hooks/{'p' * 43}", "/hooks/***"),
        (
            f"https://ci.example.org/tf/hooks/{'p' * 43}?a=b",
            "https://ci.example.org/tf/hooks/***?a=b",
        ),
        (f"next=%2Fhooks%2F{'p' * 43}&x=1", "next=%2Fhooks%2F***&x=1"),
        ("Bitbucket-Webhooks/2.0", "Bitbucket-Webhooks/2.0"),
    ],
)
def test_where_a_delivery_came_to_is_kept_in_no_header_of_a_proxy(said: str, kept: str) -> None:
    assert json.loads(kept_headers({"x-original-uri": said})) == {"x-original-uri": kept}


def test_headers_are_bounded() -> None:
    kept = json.loads(kept_headers({f"h{n}": "v" * 20_000 for n in range(200)}))
    assert (len(kept), {len(value) for value in kept.values()}) == (100, {8_192})
