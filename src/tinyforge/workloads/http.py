"""Workload kind `http`: call an endpoint."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta

from tinyforge.errors import DeployFailed, OutboundFailed
from tinyforge.kinds import DeployContext, RunLog, WorkloadKind
from tinyforge.outbound import Request, Response, outbound
from tinyforge.references import Secrets, has_references, reads_files
from tinyforge.workloads.facts import CONTROL, FromEvent
from tinyforge.workloads.output import clean
from tinyforge.workloads.request import body_of, headers_of, hide_login, pointer_of

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
OURS = frozenset(
    {
        "connection",
        "content-length",
        "idempotency-key",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
URL = re.compile(
    r"(https?://)(?:[^/?#]*@)?([^/?#@\s]+)((?:/[^?#]*)?)(\?[^#]*)?(?:#.*)?", re.IGNORECASE
)
RANGE = re.compile(r"([1-5]\d\d)-([1-5]\d\d)")
STATUSES = range(100, 600)
PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
MOST_REDIRECTS = 5
SHOWN = 200  # characters of an unwanted answer


@dataclass(frozen=True, kw_only=True)
class Http(WorkloadKind):
    """Idempotent by the run id, which every call carries as its `Idempotency-Key`."""

    idempotent: ClassVar[bool] = True

    url: Annotated[str, Meta(description="where to call; an event has no part in it")]
    method: Annotated[Method, Meta(description="POST if not given")] = "POST"
    headers: Annotated[
        dict[str, str | FromEvent],
        Meta(description="headers: a text, or {event: /branch} for a fact of the event"),
    ] = field(default_factory=dict)
    body: Annotated[
        object, Meta(description="a text, or anything else to be sent as JSON, with facts in it")
    ] = None
    expect: Annotated[
        tuple[int, ...] | str, Meta(description="statuses that count as success; 200-299")
    ] = "200-299"
    redirects: Annotated[int, Meta(description="how many are followed; 0 if not given")] = 0

    def __post_init__(self) -> None:
        mistakes = [
            *_wrong_url(self.url),
            *_wrong_headers(self.headers),
            *_wrong_pointers("body", self.body),
            *_wrong_statuses(self.expect),
            *_wrong_redirects(self.redirects),
        ]
        if mistakes:
            raise ValueError("\n".join(mistakes))

    async def deploy(self, context: DeployContext) -> None:
        """Send one request; succeed when the status is an expected one."""
        secrets = Secrets()
        call = f"{self.method} {_shown(self.url)}"
        if reads_files([self.url, self.headers, self.body]):
            request = await asyncio.to_thread(self._request, context, secrets)
        else:
            request = self._request(context, secrets)
        try:
            response = await (await outbound()).send(request)
        except OutboundFailed as problem:
            reason = secrets.redact(f"{call} {problem.reason}")
            raise DeployFailed(reason, retryable=not problem.permanent) from None
        answer = f"{response.status} {response.reason}".strip()
        said = clean(secrets.redact(f"{call} answered {answer}"))
        if not self._expects(response.status):
            self._tell(response, secrets.guard(context.log))
            raise DeployFailed(said, retryable=_may_pass(response.status))
        context.log.write(said)

    def _request(self, context: DeployContext, secrets: Secrets) -> Request:
        facts = context.event.facts
        url = secrets.resolve(self.url)
        hide_login(url, secrets)
        kind, body = body_of(self.body, facts, secrets)
        headers = headers_of(self.headers, facts, secrets)
        if kind and "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = kind
        return Request(
            method=self.method,
            url=url,
            headers=headers | {"Idempotency-Key": context.run},
            body=body,
            timeout=None,  # the run has one
            redirects=self.redirects,
        )

    def _expects(self, status: int) -> bool:
        if not isinstance(self.expect, str):
            return status in self.expect
        first, _, last = self.expect.partition("-")
        return int(first) <= status <= int(last)

    def _tell(self, response: Response, log: RunLog) -> None:
        """Write the beginning of an unwanted answer into the log."""
        where = response.headers.get("location")
        if where:
            these = "redirects are not followed; this one"
            this = "this redirect is not followed; it" if self.redirects else these
            log.write(clean(f"{this} leads to {_shown(where)}"))
        lines = response.body.decode(errors="replace").splitlines()
        room = SHOWN
        for line in filter(str.strip, lines):
            if room <= 0:
                log.write("…")
                return
            log.write(clean(line)[:room])
            room -= len(line)


def _shown(url: str) -> str:
    """Return *url* as it stands in the config, without a login and without what a query says."""
    found = URL.fullmatch(url)
    if found is None:
        return url
    scheme, host, path, query = found.groups()
    return f"{scheme}{host}{path}{'?…' if query else ''}"


def _may_pass(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in PASSING


def _wrong_url(url: str) -> Iterator[str]:
    if CONTROL.search(url) or not url.strip():
        yield "url: must be a URL such as https://host/path"
    elif not has_references(url) and not URL.fullmatch(url):
        yield "url: must begin with http:// or https:// and a host"


def _wrong_headers(headers: Mapping[str, str | FromEvent]) -> Iterator[str]:
    for name, value in headers.items():
        if not HEADER.fullmatch(name):
            yield f"headers: {name!r} cannot be the name of a header"
        elif name.lower() in OURS:
            yield f"headers.{name}: is set by tinyforge; leave it out"
        elif isinstance(value, FromEvent) and name.lower() == "host":
            yield f"headers.{name}: an event never chooses the host"
        elif isinstance(value, str) and CONTROL.search(value):
            yield f"headers.{name}: must not hold line breaks or other control characters"


def _wrong_pointers(path: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        pointer = pointer_of(value)
        if pointer is not None:
            try:
                FromEvent(event=pointer)
            except ValueError as problem:
                yield f"{path}: {problem}"
            return
        for key, item in value.items():
            yield from _wrong_pointers(f"{path}.{key}", item)
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _wrong_pointers(f"{path}[{place}]", item)


def _wrong_statuses(expect: tuple[int, ...] | str) -> Iterator[str]:
    if isinstance(expect, str):
        found = RANGE.fullmatch(expect)
        if not found or found[1] > found[2]:
            yield f"expect: {expect!r} is no range such as 200-299 and no list such as [200, 202]"
    elif not expect or any(status not in STATUSES for status in expect):
        yield "expect: must list statuses between 100 and 599, such as [200, 202]"


def _wrong_redirects(redirects: int) -> Iterator[str]:
    if not 0 <= redirects <= MOST_REDIRECTS:
        yield f"redirects: must be 0 to {MOST_REDIRECTS}"
