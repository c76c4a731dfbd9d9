"""Headers of a delivery as they are kept: what proves anything is not. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

MASK = "***"
MOST = 100  # headers
LONGEST = 8 * 1024  # characters of a value
PROOF = re.compile(
    r"signature|token|secret|authoriz|authenticat|cookie|passw|credential|api-?key|private-key|hmac"
    r"|bearer|session|jwt|client-cert|x-amz-security",
)

encode = msgspec.json.Encoder().encode


def kept_headers(headers: Mapping[str, str], proofs: Collection[str] = ()) -> str:
    """Return JSON; *proofs* are headers that prove something beside those known to do."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if len(kept) == MOST:
            break
        hides = PROOF.search(name) is not None or name in proofs
        kept[name] = MASK if hides else value[:LONGEST]
    return encode(kept).decode()
