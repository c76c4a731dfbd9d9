"""Who sent it: secrets, signatures and tokens, compared as bytes and in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, TypeAlias

from tinyforge.deliveries import Delivery, Refused, Verified
from tinyforge.errors import Unresolved
from tinyforge.kinds import SECRET
from tinyforge.references import has_references, masked, names_sealed, resolve

SecretConfig: TypeAlias = Annotated[str | tuple[str, ...], SECRET]

MEANING = (
    "what the sender proves itself with: one value, or a list of two while you change it;"
    " references are allowed"
)
SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def refuse(mistakes: Iterable[str]) -> None:
    """Raise ValueError with all *mistakes*, if there are any."""
    found = "\n".join(mistakes)
    if found:
        raise ValueError(found)


def secrets_of(secret: SecretConfig | None) -> tuple[str, ...]:
    if secret is None:
        return ()
    return (secret,) if isinstance(secret, str) else secret


def wrong_secret(secret: SecretConfig | None) -> Iterator[str]:
    given = secrets_of(secret)
    if secret is not None and len(given) not in {1, 2}:
        yield "secret: give one value, or a list of two while you change it"
    if not all(one.strip() for one in given):
        yield "secret: must not be empty; make one with `openssl rand -hex 32`"


def prove(
    secret: SecretConfig | None, proves: Callable[[bytes], bool], header: str
) -> Verified | Refused:
    """Say which of the secrets *proves* it; raise Unresolved if none does and one has no value.

    *header* is what carries the proof.
    """
    unresolved: Unresolved | None = None
    for place, reference in enumerate(secrets_of(secret)):
        try:
            value = resolve(reference)
            if value.strip() and proves(value.encode()):
                return Verified(secret=place)
        except Unresolved as problem:
            unresolved = unresolved or problem
    if unresolved:
        raise unresolved
    return unproved(f"{header} does not fit the trigger's secret; enter that at the sender")


def prove_hex(
    secret: SecretConfig, delivery: Delivery, message: bytes, *, header: str, prefix: str = ""
) -> Verified | Refused:
    """Check the hex HMAC-SHA256 of *message* that *header* carries behind *prefix*."""
    given = delivery.headers.get(header, "")
    if not given:
        return unproved(f"it has no {header}: enter the trigger's secret at the sender")
    digits = given.removeprefix(prefix)
    if given[: len(prefix)] != prefix or not SHA256_HEX.fullmatch(digits):
        return unproved(f"{header} is not {prefix}, then 64 hexadecimal digits")
    signature = bytes.fromhex(digits)
    return prove(secret, lambda key: signs(key, message, signature), header)


def prove_authorization(secret: SecretConfig, delivery: Delivery) -> Verified | Refused:
    """Check that the header `Authorization` is the secret, alone or behind `Bearer`."""
    given = delivery.headers.get("authorization", "")
    if not given:
        return unproved("it has no authorization: enter the trigger's secret at the sender")
    sent = raw(given)
    return prove(
        secret,
        lambda token: same(token, sent) | same(b"Bearer " + token, sent),
        "authorization",
    )


def unproved(because: str) -> Refused:
    return Refused(status=401, because=because)


def signs(key: bytes, message: bytes, signature: bytes, algorithm: str = "sha256") -> bool:
    """Say whether *signature* is the HMAC of *message*."""
    return hmac.compare_digest(hmac.digest(key, message, algorithm), signature)


def same(token: bytes, given: bytes) -> bool:
    """Compare digests: how long it takes tells neither the token's length nor its content."""
    return hmac.compare_digest(_sha256(token), _sha256(given))


def raw(header: str) -> bytes:
    """Return the bytes that came as a header's text; other bytes where none can have."""
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode("utf-16", "surrogatepass")


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def told(secret: SecretConfig | None) -> str:
    """Say which value to enter at a provider; never the value."""
    named = [one for one in secrets_of(secret) if has_references(one) and not names_sealed(one)]
    if not named:
        return "the secret that you gave this trigger"
    return " or, while you change it, ".join(f"the value of {masked(one)}" for one in named)
