"""Fires that are asked for twice, and fires that are waited for, on a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.web.server import Running

SITE = """
version: 1
name: of-fires
workloads:
  quick: {kind: command, command: ["true"]}
  slow: {kind: command, command: ["sleep", "60"]}
triggers:
  to-quick: {kind: manual}
  to-slow: {kind: manual}
  to-nobody: {kind: manual}
bindings:
  - {trigger: to-quick, workload: quick}
  - {trigger: to-slow, workload: slow}
"""


@pytest.fixture(scope="module", autouse=True)
def _site(running: Running) -> Iterator[None]:
    request = {"source": "f.yaml", "text": SITE}
    assert running.ask("POST", "/api/v1/manifest/apply", "admin", request).status == 200
    return


def fire(
    running: Running, name: str, body: object = None, role: str = "deployer", **headers: str
) -> tuple[int, dict[str, object]]:
    answer = running.ask("POST", f"/api/v1/triggers/{name}", role, body or {}, **headers)
    return answer.status, json.loads(answer.body)


def test_a_second_call_with_the_same_key_answers_with_the_first_event(running: Running) -> None:
    status, first = fire(running, "to-nobody/fire", Idempotency_Key="once")
    again, second = fire(running, "to-nobody/fire", Idempotency_Key="once")
    assert (status, again) == (200, 200)
    assert (first["event"], first["repeated"]) == (second["event"], False)
    assert second["repeated"]
    _, other = fire(running, "to-nobody/fire", Idempotency_Key="twice")
    assert other["event"] != first["event"]


def test_a_key_belongs_to_who_sends_it(running: Running) -> None:
    _, mine = fire(running, "to-nobody/fire", Idempotency_Key="shared")
    _, theirs = fire(running, "to-nobody/fire", role="admin", Idempotency_Key="shared")
    assert mine["event"] != theirs["event"]


def test_another_body_under_the_same_key_is_refused(running: Running) -> None:
    fire(running, "to-nobody/fire", {"facts": {"branch": "main"}}, Idempotency_Key="body")
    again, same = fire(
        running, "to-nobody/fire", {"facts": {"branch": "main"}}, Idempotency_Key="body"
    )
    status, problem = fire(
        running, "to-nobody/fire", {"facts": {"branch": "dev"}}, Idempotency_Key="body"
    )
    assert (again, same["repeated"], status) == (200, True, 422)
    assert "from another body" in str(problem["detail"])


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
def test_a_key_is_up_to_255_plain_characters(running: Running, key: str) -> None:
    status, problem = fire(running, "to-nobody/fire", Idempotency_Key=key)
    assert (status, "Idempotency-Key" in str(problem)) == (400, True)


def test_a_deploy_has_a_key_too(running: Running) -> None:
    one, two = [
        json.loads(
            running.ask(
                "POST", "/api/v1/workloads/quick/deploy", "deployer", {}, Idempotency_Key="d"
            ).body
        )
        for _ in range(2)
    ]
    assert one["event"] == two["event"]


def test_a_fire_that_is_waited_for_answers_when_its_runs_are_over(running: Running) -> None:
    status, fired = fire(running, "to-quick/fire?wait=30s")
    results = fired["results"]
    assert isinstance(results, list)
    assert (status, fired["over"], results[0]["run_state"]) == (200, True, "succeeded")


def test_waiting_ends_when_its_time_is_over(running: Running) -> None:
    began = time.monotonic()
    status, fired = fire(running, "to-slow/fire?wait=1s")
    results = fired["results"]
    assert isinstance(results, list)
    assert (status, fired["over"], results[0]["run_state"]) == (200, False, "running")
    assert time.monotonic() - began < 15
    running.ask("POST", f"/api/v1/runs/{results[0]['run']}/cancel", "deployer")


@pytest.mark.parametrize("wait", ["0s", "16m", "soon", "-1s"])
def test_a_wait_is_at_most_15_minutes(running: Running, wait: str) -> None:
    status, problem = fire(running, f"to-nobody/fire?wait={wait}")
    assert (status, "wait" in str(problem["detail"])) == (400, True)
