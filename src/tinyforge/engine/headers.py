"""Headers of a delivery as they are kept: what proves anything is not. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

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
        kept[name] = MASK if name in proofs or _proves(name) else value[:LONGEST]
    return encode(kept).decode()


@lru_cache(1_024)
def _proves(name: str) -> bool:
    return PROOF.search(name) is not None
