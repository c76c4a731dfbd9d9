"""What a manifest may name that comes over HTTP, asked of a real server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.error import HTTPError

from tests.server.place import Place, Server

MANIFEST = """
version: 1
triggers:
  push: {{kind: github, secret: "{}"}}
"""
ALLOWED: Mapping[str, str] = {"TINYFORGE_SECRET_NAMES": "A_TOKEN,B_TOKEN", "A_TOKEN": "value of A"}


def apply(server: Server, token: str, secret: str) -> tuple[int, Any]:
    body = json.dumps({"source": "ci.yaml", "text": MANIFEST.format(secret)}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    where = f"http://127.0.0.1:{server.port}/api/v1/manifest/apply"
    try:
        with urllib.request.urlopen(urllib.request.Request(where, body, headers)) as answer:
            return answer.status, json.load(answer)
    except HTTPError as refused:
        with closing(refused):
            return refused.code, json.load(refused)


def test_row_14_of_security_over_http_a_manifest_names_what_is_listed_and_nothing_else(
    place: Place,
) -> None:
    place.write("")
    (place.folder / "secrets").mkdir()
    (place.folder / "secrets" / "token").write_text("value of a file")
    folder = str(place.folder / "secrets")
    with place.serving(**ALLOWED, TINYFORGE_SECRET_DIR=folder, OTHER="another") as server:
        made = json.loads(place.asked("token", "create", "--name", "ci", "--role", "admin"))
        token = made["secret"]
        for secret in ("${env:OTHER}", "${env:PATH}", f"${{file:{place.manifest}}}"):
            status, problem = apply(server, token, secret)
            assert status == 422
            (mistake,) = problem["mistakes"]
            assert mistake.startswith("ci.yaml:4: triggers.push.secret: ${")
            assert "over HTTP" in mistake
        for secret in ("${env:A_TOKEN}", f"${{file:{folder}/token}}", "typed-" + "x" * 32):
            status, answer = apply(server, token, secret)
            assert (status, answer.get("applied")) == (200, True), answer
        assert place.done("trigger", "show", "push").out.count("${sealed:sec_") == 2
        (place.folder / "local.yaml").write_text(MANIFEST.format("${env:OTHER}"))
        place.done("apply", str(place.folder / "local.yaml"))


def test_without_secrets_nothing_of_the_cipher_is_loaded(place: Place) -> None:
    place.write("triggers: {often: {kind: schedule, interval: 1h}}\n")
    with place.serving() as server:
        server.until_said("SchedulesFired")
        maps = f"/proc/{server.served.process.pid}/maps"
        with open(maps) as loaded:  # noqa: PTH123 - no file of a folder
            assert "cryptography" not in loaded.read()
    assert not (place.data / "key").exists()
