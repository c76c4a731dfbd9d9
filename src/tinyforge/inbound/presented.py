"""Signatures in a header of any name, and tokens in `Authorization`."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct

from tinyforge.deliveries import Delivery, Refused, Verified
from tinyforge.inbound.proof import SecretConfig, prove, raw, same, signs, unproved
from tinyforge.inbound.samples import first_secret, with_header
from tinyforge.inbound.standard import decoded

Encoding: TypeAlias = Literal["hex", "base64"]
Algorithm: TypeAlias = Literal["sha256", "sha512", "sha1"]


class Signature(Struct, frozen=True, kw_only=True):
    """How an HMAC of the raw body is written down."""

    header: str
    prefix: str
    encoding: Encoding
    algorithm: Algorithm

    def bytes_of(self, given: str) -> bytes | None:
        """Return the signature, None where *given* is none of this kind and size."""
        if not given.startswith(self.prefix):
            return None
        text = given.removeprefix(self.prefix)
        found = decoded(text) if self.encoding == "base64" else _from_hex(text)
        return found if found and len(found) == hashlib.new(self.algorithm).digest_size else None


def prove_signature(
    secret: SecretConfig, delivery: Delivery, written: Signature
) -> Verified | Refused:
    """Check the HMAC of the raw body."""
    signature = written.bytes_of(delivery.headers.get(written.header.lower(), ""))
    if signature is None:
        how = f"{written.prefix!r}, then " if written.prefix else ""
        return unproved(
            f"{written.header} is missing, or is not {how}{written.algorithm} as {written.encoding}"
        )
    return prove(
        secret,
        lambda key: signs(key, delivery.body, signature, written.algorithm),
        written.header,
    )


def prove_bearer(secret: SecretConfig, delivery: Delivery) -> Verified | Refused:
    """Check `Authorization: Bearer SECRET`."""
    return _prove_scheme(secret, delivery, "Bearer", lambda token: token)


def prove_basic(secret: SecretConfig, delivery: Delivery) -> Verified | Refused:
    """Check `Authorization: Basic`, with the secret `user:password`."""
    return _prove_scheme(secret, delivery, "Basic", base64.b64encode)


def _prove_scheme(
    secret: SecretConfig, delivery: Delivery, scheme: str, written: Callable[[bytes], bytes]
) -> Verified | Refused:
    found, _, token = delivery.headers.get("authorization", "").partition(" ")
    if found.lower() != scheme.lower() or not token.strip():
        return unproved(f"it has no `authorization: {scheme} …`")
    sent = raw(token.strip())
    return prove(secret, lambda key: same(written(key), sent), "authorization")


def _from_hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if text.isalnum() else None  # fromhex skips spaces
    except ValueError:
        return None


def sign(secret: SecretConfig, sent: Delivery, written: Signature) -> Delivery:
    """Return *sent* with its signature by the first secret, as *written*."""
    digest = hmac.digest(first_secret(secret), sent.body, written.algorithm)
    in_base64 = written.encoding == "base64"
    shown = base64.b64encode(digest).decode() if in_base64 else digest.hex()
    return with_header(sent, written.header.lower(), written.prefix + shown)


def authorize(secret: SecretConfig, sent: Delivery, scheme: Literal["bearer", "basic"]) -> Delivery:
    """Return *sent* with the first secret in `Authorization`."""
    value = first_secret(secret)
    token = base64.b64encode(value) if scheme == "basic" else value
    said = token.decode("latin-1")
    return with_header(sent, "authorization", f"{scheme.title()} {said}")
