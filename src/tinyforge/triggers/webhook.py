"""Trigger kind `webhook`: whatever can send JSON and prove who it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, TypeAlias, assert_never

from msgspec import Meta, structs

from tinyforge.clock import Moment
from tinyforge.deliveries import Accepted, Change, Delivery, Ignored, Receives, Refused, Verified
from tinyforge.inbound import samples
from tinyforge.inbound.body import accepted, id_of, json_of, short_id
from tinyforge.inbound.mapping import Mapped, payload_of, wrong_fields
from tinyforge.inbound.presented import (
    Algorithm,
    Encoding,
    Signature,
    authorize,
    prove_basic,
    prove_bearer,
    prove_signature,
    sign,
)
from tinyforge.inbound.proof import MEANING, SecretConfig, refuse, secrets_of, told, wrong_secret
from tinyforge.inbound.refs import FORGE_KEYS, PATH_KEYS
from tinyforge.inbound.standard import ID, sign_standard, verify_standard, wrong_key
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
        wrong = (*wrong_fields(self.fields), *self._wrong_proof())
        refuse([*self.wrong_body(), *wrong_secret(self.secret), *wrong])

    @property
    def proofs(self) -> Collection[str]:
        return {self.header.lower()} if self.header else ()

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

    def sent(self) -> tuple[str, ...]:
        tells_tag = self.event == "push" and not {"tag", "ref"}.isdisjoint(self.fields)
        tells_end = not {"deleted", "commit"}.isdisjoint(self.fields)
        tags, ends = ("tag",) * tells_tag, ("delete",) * tells_end
        return (self.event, *tags, *ends)

    def setup(self, url: str) -> Sequence[str]:
        how = {
            "standard": "signed as standardwebhooks.com says, with",
            "hmac": f"with the HMAC-{self.algorithm} of the body as {self.encoding} in the header"
            f" {self.header}{f', behind {self.prefix!r}' if self.prefix else ''}; its key is",
            "bearer": "with the header `Authorization: Bearer …`, which carries",
            "basic": "with the user and the password, `user:password`, of",
        }
        return (
            f"have your program send JSON by POST to {url}",
            f"{how[self.proof]} {told(self.secret)}",
        )

    def sample(self, change: Change, at: Moment) -> Delivery:
        if change.event not in self.sent():
            raise samples.unsaid(change, self.sent())
        identity = samples.identity_of(at)
        commit = samples.ZEROS if change.deleted else change.commit
        facts = {**structs.asdict(change), "delivery_id": identity, "commit": commit}
        payload = payload_of(self.fields, facts)
        headers = {self.id_header.lower(): identity} if self.id_header else {}
        sent = samples.delivery(payload, at, headers)
        match self.proof:
            case "standard":
                return sign_standard(self.secret, sent, identity)
            case "hmac":
                return sign(self.secret, sent, self._signature())
            case "bearer" | "basic":
                return authorize(self.secret, sent, self.proof)
        assert_never(self.proof)

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
