"""Headers of a delivery as they are kept: nothing that proves it, nor where it came to. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from itertools import islice

import msgspec

MASK = "***"
MOST = 100  # headers
LONGEST = 8 * 1024  # characters of a value
PROOF = re.compile(
    r"signature|token|secret|authoriz|authenticat|cookie|passw|credential|api-?key|private-key|hmac"
    r"|bearer|session|jwt|client-cert|x-amz-security",
)
# Proxies repeat the path in headers of many names; that of an unsigned endpoint is a secret.
PATH = re.compile(r"((?:/|%2F)hooks(?:/|%2F))[^/?#&%\s,;]+", re.IGNORECASE)

encode = msgspec.json.Encoder().encode


def kept_headers(headers: Mapping[str, str], proofs: Collection[str] = ()) -> str:
    """Return JSON; *proofs* are headers that prove something beside those known to do."""
    kept = {
        name: MASK if name in proofs or _proves(name) else value[:LONGEST]
        for name, value in islice(headers.items(), MOST)
    }
    written = encode(kept).decode()
    if not PATH.search(written):
        return written
    return encode({name: PATH.sub(rf"\1{MASK}", kept[name]) for name in kept}).decode()


@lru_cache(1_024)
def _proves(name: str) -> bool:
    return PROOF.search(name) is not None
