"""Every payload that GitHub's own libraries are tested with, signed and sent to a real server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.inbound.test_octokit import SOURCES, examples
from tests.security.site import Site, github, planted, site

SECRET, ENDPOINT = planted("secret"), planted("endpoint")
MANIFEST = f"""
version: 1
workloads:
  site: {{kind: command, command: ["true"], queue: latest}}
triggers:
  push: {{kind: github, secret: "${{env:SECRET}}", endpoint: {ENDPOINT}}}
bindings:
  - trigger: push
    workload: site
    match: {{events: [push, tag, create, delete, release, workflow, image, ping]}}
"""
MET = ("accepted", "nothing_matched", "ignored", "duplicate", "pending")
SENDERS = 8


def payloads(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    for source in SOURCES:
        for place, (event, payload) in enumerate(examples(folder, source)):
            yield f"{source}-{place}", event, json.dumps(payload).encode()


def answer(server: Site, sent: tuple[str, str, bytes]) -> tuple[int, str]:
    delivery, event, body = sent
    status, text = server.hook(ENDPOINT, body, github(SECRET, body, event, delivery))
    return status, json.loads(text).get("outcome", text)


def test_every_published_payload_is_taken_and_none_is_an_error(
    published: Path, tmp_path: Path
) -> None:
    with site(
        tmp_path, MANIFEST, {"SECRET": SECRET, "TINYFORGE_DELIVERIES_PER_SECOND": "1000"}
    ) as server:
        with ThreadPoolExecutor(SENDERS) as senders:
            answers = Counter(senders.map(partial(answer, server), payloads(published)))
        log = server.log

    assert {status for status, _ in answers} == {200, 202}, answers
    assert {outcome for _, outcome in answers} <= set(MET)
    assert answers.total() > 500
    assert answers[202, "accepted"] > 50
    assert '"level":"error"' not in log
    assert ENDPOINT not in log
