"""Deliveries as senders make them; signatures come from the command `openssl`."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest

from tinyforge.clock import SECOND, Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Receives, Refused

NOW: Moment = 1_767_225_600 * SECOND
SECRET = "correct horse battery staple"
ZEROS = "0" * 40
OLD, NEW = "a" * 40, "b" * 40
FORM = "application/x-www-form-urlencoded"


def sent(
    payload: object = None,
    headers: Mapping[str, str] | None = None,
    *,
    body: bytes | None = None,
    at: Moment = NOW,
) -> Delivery:
    """Give a delivery of JSON, or of *body* as it is."""
    return Delivery(
        headers={"content-type": "application/json", **(headers or {})},
        body=json.dumps(payload).encode() if body is None else body,
        at=at,
    )


def form_of(payload: object) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()


def hmac_of(key: bytes | str, message: bytes, algorithm: str = "sha256") -> bytes:
    """Let `openssl` sign."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl")
    raw = key.encode() if isinstance(key, str) else key
    words = ["dgst", f"-{algorithm}", "-mac", "HMAC", "-macopt", f"hexkey:{raw.hex()}", "-binary"]
    done = subprocess.run([program, *words], input=message, capture_output=True, check=True)
    return done.stdout


def hex_of(key: bytes | str, message: bytes, algorithm: str = "sha256") -> str:
    return hmac_of(key, message, algorithm).hex()


def base64_of(key: bytes | str, message: bytes, algorithm: str = "sha256") -> str:
    return base64.b64encode(hmac_of(key, message, algorithm)).decode()


def changes(kind: Receives, delivery: Delivery) -> list[Change]:
    found = kind.read(delivery)
    assert isinstance(found, Accepted), found
    return list(found.changes)


def change(kind: Receives, delivery: Delivery) -> Change:
    (only,) = changes(kind, delivery)
    return only


def ignored(kind: Receives, delivery: Delivery) -> str:
    found = kind.read(delivery)
    assert isinstance(found, Ignored), found
    return found.because


def refused(found: object) -> tuple[int, str]:
    assert isinstance(found, Refused), found
    return found.status, found.because
