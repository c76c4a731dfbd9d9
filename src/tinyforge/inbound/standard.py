"""Standard Webhooks (the published specification): signed id, time and body."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterator

from tinyforge.clock import MINUTE, SECOND
from tinyforge.deliveries import Delivery, Refused, Verified
from tinyforge.errors import Unresolved
from tinyforge.inbound.proof import SecretConfig, prove, raw, secrets_of, unproved
from tinyforge.inbound.samples import first_secret, seconds, with_header
from tinyforge.references import has_references

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE = 5 * MINUTE
WHOLE_SECONDS = re.compile(r"[0-9]{1,12}")
PREFIX = "whsec_"
VERSION = "v1,"


def wrong_key(secret: SecretConfig) -> Iterator[str]:
    for one in secrets_of(secret):
        if one.startswith(PREFIX) and not has_references(one) and not decoded(_base64_of(one)):
            yield f"secret: what stands behind {PREFIX} is no base64; copy the whole value"


def verify_standard(secret: SecretConfig, delivery: Delivery) -> Verified | Refused:
    """Check `webhook-signature`, and that `webhook-timestamp` is at most 5 minutes away."""
    headers = delivery.headers
    identity, sent = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    refusal = _misdated(identity, sent, delivery)
    if refusal:
        return refusal
    given = headers.get(SIGNATURE, "").split(" ")
    found = [decoded(one.removeprefix(VERSION)) for one in given if one.startswith(VERSION)]
    signatures = [one for one in found if one]
    if not signatures:
        return unproved(f"{SIGNATURE} holds no signature of the form {VERSION}BASE64")
    message = b".".join((raw(identity), raw(sent), delivery.body))

    def proves(secret: bytes) -> bool:
        return any(_fits(key, message, signatures) for key in _keys(secret))

    return prove(secret, proves, SIGNATURE)


def decoded(text: str) -> bytes | None:
    """Return what *text* is the base64 of, with or without its padding; None: it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None


def _misdated(identity: str, sent: str, delivery: Delivery) -> Refused | None:
    if not identity or "." in identity:  # a dot would let an id run into the time
        return unproved(f"{ID} is missing, or has a dot in it")
    if not WHOLE_SECONDS.fullmatch(sent):
        return unproved(f"{TIMESTAMP} is missing, or is no whole number of seconds")
    late = delivery.at - int(sent) * SECOND
    if abs(late) > TOLERANCE:
        way = "old" if late > 0 else "ahead"
        return unproved(f"{TIMESTAMP} is {abs(late) // SECOND} s {way}; at most 300 are taken")
    return None


def _keys(secret: bytes) -> Iterator[bytes]:
    """Yield what *secret* may stand for: behind `whsec_` base64, else itself or base64."""
    text = secret.decode()
    key = decoded(_base64_of(text))
    if text.startswith(PREFIX):
        if not key:
            raise Unresolved("secret", f"what stands behind {PREFIX} is no base64")
        yield key
        return
    yield secret
    if key:
        yield key


def _base64_of(secret: str) -> str:
    return secret.strip().removeprefix(PREFIX)


def _fits(key: bytes, message: bytes, signatures: list[bytes]) -> bool:
    expected = hmac.digest(key, message, "sha256")
    return any(hmac.compare_digest(expected, one) for one in signatures)


def sign_standard(secret: SecretConfig, sent: Delivery, identity: str) -> Delivery:
    """Return *sent* with the three headers, signed with the first secret."""
    key = next(iter(_keys(first_secret(secret))))
    moment = str(seconds(sent.at))
    message = b".".join((identity.encode(), moment.encode(), sent.body))
    digest = base64.b64encode(hmac.digest(key, message, "sha256")).decode()
    for name, value in ((ID, identity), (TIMESTAMP, moment), (SIGNATURE, VERSION + digest)):
        sent = with_header(sent, name, value)
    return sent
