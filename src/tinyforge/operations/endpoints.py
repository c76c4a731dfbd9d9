"""Endpoints: where a trigger takes deliveries, how to tell its provider, and trying one out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tinyforge.changes import Change
from tinyforge.clock import Clock
from tinyforge.deliveries import DEPLOYED, REHEARSED, TRIED, Accepted, Delivery, Receives
from tinyforge.errors import InvalidConfig, Refused, SealFailed, UnknownKind, Unresolved
from tinyforge.inbound.samples import example, unsaid
from tinyforge.model import Json, Outcome, Trigger
from tinyforge.operations.audit import Auditor
from tinyforge.operations.callers import Caller, Permission, allows
from tinyforge.operations.commands import command
from tinyforge.operations.rendering import at_text
from tinyforge.operations.roles import Reads, Vaults
from tinyforge.operations.serving import Serving
from tinyforge.operations.views import (
    DecisionView,
    EndpointView,
    SampleRequest,
    SampleView,
    SecretView,
    SetupView,
    TooLargeView,
)
from tinyforge.plugins import Plugins
from tinyforge.references import HIDDEN, masked, names_sealed, resolve
from tinyforge.store.port import EndpointRow, endpoint_context, path_digest

COMMIT_BYTES = 20
OK, MULTIPLE_CHOICES = 200, 300
MOVED_ON = "what {} stands for is another now; to have it in force, apply the manifest again"
NO_BASE_URL = (
    "TINYFORGE_BASE_URL is not set, so this begins with the address that the server listens on;"
    " set it to the address at which your provider reaches the server"
)
PATTERN = frozenset("*?[]{}!\\")
NO_ENDPOINT = "no sweep has given it an endpoint yet"


class Answered(Struct, frozen=True):
    status: int
    body: bytes


class Knocks(Protocol):
    """Somebody who sends to our own door, as a provider does."""

    @property
    def address(self) -> str: ...

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """Raise Refused where nobody answers."""
        ...


class _Binding(Struct, frozen=True):
    name: str
    outcome: str
    reason: str = ""
    run_id: str | None = None


class _Told(Struct, frozen=True):
    """What the door answers, taken or refused."""

    outcome: str = "refused"
    event_id: str | None = None
    bindings: Sequence[_Binding] | str = ()
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Endpoints:
    reads: Reads
    plugins: Plugins
    vault: Vaults
    serving: Serving
    clock: Clock
    auditor: Auditor
    knocks: Knocks | None = None  # None: no server runs

    async def view(self, trigger: Trigger, caller: Caller) -> EndpointView | None:
        """Return what *caller* may know of a trigger's endpoint; None: its kind has none."""
        kind = self._kind(trigger)
        row = (await self.reads.endpoints_of([trigger.id])).get(trigger.id)
        if row is None or kind is None:
            return None
        view = _view(trigger, kind, row)
        if row.unsigned and not allows(caller.role, Permission.CONFIGURE):
            return replace(view, problem="its URL is a secret, which admins alone see")
        try:
            path = await asyncio.to_thread(self._path_of, row)
        except (SealFailed, Unresolved) as problem:
            return replace(view, problem=str(problem))
        if path_digest(path) != row.sha256:
            return replace(view, problem=MOVED_ON.format(row.written))
        return replace(view, url=f"{self.serving.base_url}/hooks/{path}")

    async def setup(self, name: str, caller: Caller) -> SetupView:
        """Say what to enter at the provider. Forbidden where the URL is a secret."""
        trigger, kind, row = await self._receiving(name, caller)
        if row.unsigned:
            caller.must_allow(Permission.CONFIGURE)
        view = await self.view(trigger, caller)
        if view is None or view.url is None:
            problem = view.problem if view else NO_ENDPOINT
            raise Refused(f"{name}: {problem}", command("trigger", "show", name))
        return SetupView(
            endpoint=view,
            steps=kind.setup(view.url),
            hint=None if self.serving.is_base_url_set else NO_BASE_URL,
            next_command=command("trigger", "test", name),
        )

    async def test(self, name: str, request: SampleRequest, caller: Caller) -> SampleView:
        """Send a signed sample through the trigger's own endpoint, and say what was decided."""
        trigger, kind, row = await self._receiving(name, caller)
        if self.knocks is None:
            raise Refused("the server is not running", "start it: tinyforge serve")
        if image := await self._image(trigger, kind, request):
            request = replace(request, facts={**request.facts, "image": image})
        change = _asked(kind, request)
        await self.vault.refresh()  # nothing may have come since the secret was typed
        sent, path, said = await asyncio.to_thread(self._prepared, kind, change, row)
        headers = {**sent.headers, TRIED: DEPLOYED if request.deploy else REHEARSED}
        if request.deploy:  # before it is sent, for the door knows nothing of the caller
            await self.auditor.note(caller, "test_trigger", name, after=_says(said))
        answer = await self.knocks.post(f"/hooks/{path}", headers, sent.body)
        return _sample_view(trigger, said, answer, self.knocks.address, request)

    async def _image(self, trigger: Trigger, kind: Receives, request: SampleRequest) -> str | None:
        """Return the first image that a rule names whole, for a sample that is asked for none."""
        if (request.event or kind.sent()[0]) != "image" or {"image", "repository"} & {
            *request.facts
        }:
            return None
        rules = [binding.rule for binding in await self.reads.bindings_of(trigger.id)]
        return next((image for rule in rules for image in _images(rule)), None)

    def _prepared(
        self, kind: Receives, change: Change, row: EndpointRow
    ) -> tuple[Delivery, str, Change]:
        """Return the sample, the id of the endpoint, and what the sample says.

        Not for the loop, for it may read files.
        """
        try:
            sent = kind.sample(change, self.clock.now())
            return sent, self._path_of(row), _said_by(kind, sent, change)
        except ValueError as problem:
            raise Refused(str(problem), "tinyforge trigger test --help") from None
        except (Unresolved, SealFailed) as problem:
            raise Refused(str(problem), "give it a value there, then try again") from None

    def _path_of(self, row: EndpointRow) -> str:
        if row.sealed is not None:
            opened = self.vault.keyring.open(row.sealed, endpoint_context(row.trigger_id))
            return opened.decode()
        return row.path if row.written is None and row.path else resolve(row.written or "")

    async def _receiving(self, name: str, caller: Caller) -> tuple[Trigger, Receives, EndpointRow]:
        caller.must_see_trigger(name)
        trigger, _ = await self.reads.trigger_named(name)
        if trigger.broken:
            raise Refused(f"{name} is broken: {trigger.broken}", "tinyforge doctor")
        kind = self._kind(trigger)
        if kind is None:
            problem = f"{name} is of kind {trigger.kind}, which takes no webhooks"
            raise Refused(problem, command("trigger", "fire", name))
        row = (await self.reads.endpoints_of([trigger.id])).get(trigger.id)
        if row is None:
            raise Refused(f"{name}: {NO_ENDPOINT}", command("trigger", "show", name))
        return trigger, kind, row

    def _kind(self, trigger: Trigger) -> Receives | None:
        try:
            kind = self.plugins.trigger(trigger.kind, trigger.config)
        except (InvalidConfig, UnknownKind):
            return None
        return kind if isinstance(kind, Receives) else None


def _view(trigger: Trigger, kind: Receives, row: EndpointRow) -> EndpointView:
    too_large = None
    if row.refused_at is not None:
        too_large = TooLargeView(at=at_text(row.refused_at) or "", size=row.refused_size or 0)
    return EndpointView(
        trigger=trigger.name,
        url=None,
        unsigned=row.unsigned,
        generated=row.generated,
        made_at=at_text(row.made_at) or "",
        max_body=kind.largest_body,
        secrets=[
            SecretView(place=place, says=_said(text), last_used_at=at_text(used))
            for place, (text, used) in enumerate(
                zip(_secrets(trigger.config), row.used, strict=False), 1
            )
        ],
        too_large=too_large,
        next_command=command("trigger", "url", trigger.name),
    )


def _secrets(config: Json) -> list[str]:
    secret = config.get("secret")
    given = secret if isinstance(secret, list | tuple) else [secret]
    return [str(one) for one in given if one is not None]


def _said(secret: str) -> str:
    return HIDDEN if names_sealed(secret) else masked(secret)


def _images(rule: Json) -> Iterator[str]:
    """Yield the images that a rule takes, with their registry, where no pattern stands for them."""
    named = rule.get("image")
    for one in named if isinstance(named, list | tuple) else [named]:
        host, _, name = one.partition("/") if isinstance(one, str) else ("", "", "")
        if name and ("." in host or ":" in host) and PATTERN.isdisjoint(name):
            yield f"{host}/{name}"


def _asked(kind: Receives, request: SampleRequest) -> Change:
    sends = kind.sent()
    try:
        change = example(request.event or sends[0], request.facts, token_hex(COMMIT_BYTES))
        if change.event not in sends:
            raise unsaid(change, sends)
    except ValueError as problem:
        raise Refused(str(problem), "tinyforge trigger test --help") from None
    return change


def _said_by(kind: Receives, sent: Delivery, change: Change) -> Change:
    """Return *change* with its image as it is read: some registries never name their host."""
    read = kind.read(sent) if change.image else None
    if isinstance(read, Accepted) and read.changes:
        return msgspec.structs.replace(change, image=read.changes[0].image or change.image)
    return change


def _says(change: Change) -> str:
    name = change.ref or change.image or change.repository
    tag = f":{change.tag}" if change.image and change.tag else ""
    return f"{change.event} of {name}{tag}"


def _sample_view(
    trigger: Trigger, change: Change, answer: Answered, address: str, request: SampleRequest
) -> SampleView:
    told = _told(answer)
    return SampleView(
        trigger=trigger.name,
        event=change.event,
        says=_says(change),
        sent_to=f"http://{address}/hooks/…",
        status=answer.status,
        outcome=told.outcome,
        reason=told.reason or told.detail,
        event_id=told.event_id,
        bindings=[
            DecisionView(binding=one.name, outcome=one.outcome, reason=one.reason, run=one.run_id)
            for one in _decided(told)
        ],
        deployed=request.deploy,
        next_command=_next(trigger.name, change, told, request),
    )


def _told(answer: Answered) -> _Told:
    try:
        return msgspec.json.decode(answer.body, type=_Told)
    except msgspec.MsgspecError:
        return _Told(detail="what answered there is not this server")


def _decided(told: _Told) -> Sequence[_Binding]:
    return () if isinstance(told.bindings, str) else told.bindings


def _next(name: str, change: Change, told: _Told, request: SampleRequest) -> str:
    if told.event_id is not None:
        return command("event", "show", told.event_id)
    if any(one.outcome == Outcome.MATCHED for one in _decided(told)):
        return _deploying(name, change, request)
    return command("trigger", "show", name)


def _deploying(name: str, change: Change, request: SampleRequest) -> str:
    """Return the same once more, deployed; a commit that can be fetched is yours to name."""
    event = () if request.event is None else ("--event", request.event)
    made_up = {"commit": "COMMIT"} if change.ref and change.commit else {}
    given = {**made_up, **request.facts}
    words = (word for fact, value in given.items() for word in ("--fact", f"{fact}={value}"))
    return command("trigger", "test", name, "--deploy", *event, *words)
