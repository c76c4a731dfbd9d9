"""Trigger kind `webhook`: whatever can send JSON and prove who it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, TypeAlias, assert_never

from msgspec import Meta

from tinyforge.deliveries import Accepted, Delivery, Ignored, Receives, Refused, Verified
from tinyforge.inbound.body import accepted, id_of, json_of, short_id
from tinyforge.inbound.mapping import Mapped, wrong_fields
from tinyforge.inbound.presented import (
    Algorithm,
    Encoding,
    Signature,
    prove_basic,
    prove_bearer,
    prove_signature,
)
from tinyforge.inbound.proof import MEANING, SecretConfig, refuse, secrets_of, wrong_secret
from tinyforge.inbound.refs import FORGE_KEYS, PATH_KEYS
from tinyforge.inbound.standard import ID, verify_standard, wrong_key
from tinyforge.references import has_references

Proof: TypeAlias = Literal["standard", "hmac", "bearer", "basic"]
EventWord: TypeAlias = Literal["push", "tag", "create", "release", "workflow", "image", "ping"]

HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, kw_only=True)
class Webhook(Receives):
    """Takes any JSON; `fields` says where in it the facts of the event are."""

    fills: ClassVar[frozenset[str]] = FORGE_KEYS | PATH_KEYS | {"image"}
    usual_events: ClassVar[tuple[str, ...]] = (
        "push",
        "tag",
        "create",
        "release",
        "workflow",
        "image",
    )

    secret: Annotated[SecretConfig, Meta(description=MEANING)] = field(repr=False)
    proof: Annotated[Proof, Meta(description="how the sender proves that it has the secret")] = (
        "standard"
    )
    header: Annotated[str, Meta(description="with hmac: the header of the signature")] = ""
    prefix: Annotated[str, Meta(description="with hmac: what stands before it")] = ""
    encoding: Annotated[Encoding, Meta(description="with hmac: how it is written")] = "hex"
    algorithm: Annotated[Algorithm, Meta(description="with hmac: its hash")] = "sha256"
    event: Annotated[EventWord, Meta(description="what its deliveries are")] = "push"
    fields: Annotated[
        dict[str, str], Meta(description="the event's facts, each by a JSON pointer")
    ] = field(default_factory=dict)
    id_header: Annotated[str, Meta(description="the header of the delivery's id")] = ""

    def __post_init__(self) -> None:
        refuse([*wrong_secret(self.secret), *wrong_fields(self.fields), *self._wrong_proof()])

    def verify(self, delivery: Delivery) -> Verified | Refused:
        match self.proof:
            case "standard":
                return verify_standard(self.secret, delivery)
            case "hmac":
                return prove_signature(self.secret, delivery, self._signature())
            case "bearer":
                return prove_bearer(self.secret, delivery)
            case "basic":
                return prove_basic(self.secret, delivery)
        assert_never(self.proof)

    def read(self, delivery: Delivery) -> Accepted | Ignored | Refused:
        payload = json_of(delivery) if delivery.body else None
        if isinstance(payload, Refused):
            return payload
        found = Mapped(payload, self.fields)
        names = [self.id_header.lower(), *([ID] if self.proof == "standard" else [])]
        identity = id_of(delivery, *names) or short_id(found.text("delivery_id"))
        return accepted([found.change(self.event)], delivery, identity)

    def _signature(self) -> Signature:
        return Signature(
            header=self.header,
            prefix=self.prefix,
            encoding=self.encoding,
            algorithm=self.algorithm,
        )

    def _wrong_proof(self) -> Iterator[str]:
        if self.proof == "standard":
            yield from wrong_key(self.secret)
        if self.proof == "basic" and not all(map(_is_login, secrets_of(self.secret))):
            yield "secret: with `proof: basic` it is user:password"
        if self.proof == "hmac" and not HEADER.fullmatch(self.header):
            yield "header: name the header that carries the signature, such as X-Signature"
        if self.id_header and not HEADER.fullmatch(self.id_header):
            yield "id_header: cannot be the name of a header"
        if self.proof != "hmac":
            usual = Webhook.__dataclass_fields__
            for name in ("header", "prefix", "encoding", "algorithm"):
                if getattr(self, name) != usual[name].default:
                    yield f"{name}: only with `proof: hmac`"


def _is_login(secret: str) -> bool:
    return ":" in secret or has_references(secret)
