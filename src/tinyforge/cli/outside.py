"""What `doctor --url` does: look at the server from outside, as a forge and a person do."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from secrets import token_urlsafe

from tinyforge.cli.client import Api, reason_of
from tinyforge.cli.failure import CommandFailed
from tinyforge.cli.https import connection, is_json, not_ours, open_connection
from tinyforge.cli.moments import show_length
from tinyforge.cli.remote import Address
from tinyforge.clock import SECOND, Moment
from tinyforge.operations.answers import CheckView
from tinyforge.operations.sightings import SightingView

PATIENCE = 10.0  # seconds for one answer
BODY_PATIENCE = 2.0  # for a refusal that comes at once or not at all
MARK = "Tinyforge-Mark"
LARGEST_BODY = 25 << 20  # bytes: what GitHub and GitLab may send
LARGEST_SAID = 64 << 10  # of an answer that is looked at
RENEWED = 4  # a certificate that is well has more of its time left than one in so many
OK, NO_METHOD, TOO_LARGE = 200, 405, 413
HOWTO = "docs/howto/reverse-proxy.md"


class Outside:
    """One address, looked at through connections of its own; nothing is sent but a mark."""

    def __init__(self, at: Address, authorities: Path | None, api: Api, now: Moment) -> None:
        self._at = at
        self._authorities = authorities
        self._api = api
        self._now = now

    def checks(self) -> Iterator[CheckView]:
        """Yield what is found; stop where nothing more can be."""
        try:
            with closing(self._opened()) as opened:
                yield self._encryption(opened)
                mark = self._api.post("/doctor/sightings", SightingView).read().mark
                self._expect_ours(_asked(opened, "GET", f"{self._at.prefix}/healthz", mark))
        except CommandFailed as problem:
            yield _fails("reachable", problem.problem, problem.fix)
            return
        yield CheckView(name="reachable", verdict="ok", what=f"{self._at} answers")
        sighting = self._api.get(f"/doctor/sightings/{mark}", SightingView).read()
        if not sighting.is_seen:
            yield _fails(
                "same server",
                f"another server answers at {self._at}, not the one that was asked for its view",
                "correct the proxy; of several replicas this is no mistake",
            )
            return
        yield CheckView(name="same server", verdict="ok", what="it is this one")
        yield self._hooks()
        yield self._body_size()
        yield clients(self._at, sighting)

    def _opened(self) -> HTTPConnection:
        opened = connection(self._at, self._authorities, PATIENCE)
        open_connection(opened, self._at, PATIENCE)
        return opened

    def _encryption(self, opened: HTTPConnection) -> CheckView:
        if not isinstance(opened.sock, ssl.SSLSocket):
            if self._at.is_secret_on_the_way:
                return CheckView(name="encryption", verdict="ok", what="it stays on this machine")
            return CheckView(
                name="encryption",
                verdict="warn",
                what="tokens and secret addresses can be read on the way",
                fix=f"put a proxy with a certificate before it: {HOWTO}",
            )
        return encryption(str(opened.sock.version()), opened.sock.getpeercert() or {}, self._now)

    def _expect_ours(self, response: HTTPResponse) -> None:
        if response.status != OK or not is_json(response) or not _says_ok(response):
            raise not_ours(self._at, response)

    def _hooks(self) -> CheckView:
        """Ask as no sender does: only our own answer to that is known to be ours."""
        path = f"{self._at.prefix}/hooks/{token_urlsafe()}"
        try:
            with closing(self._opened()) as opened:
                response = _asked(opened, "GET", path)
                said = response.read(LARGEST_SAID)
        except CommandFailed as problem:
            return _fails("webhooks", problem.problem, problem.fix)
        if response.status == NO_METHOD and b"webhook endpoint" in said:
            return CheckView(name="webhooks", verdict="ok", what="/hooks/ gets through")
        return _fails(
            "webhooks",
            f"/hooks/ does not get through: {response.status} came back",
            f"pass every path on: {HOWTO}",
        )

    def _body_size(self) -> CheckView:
        """Announce a large body and send none of it: who refuses such does so at once."""
        path = f"{self._at.prefix}/hooks/{token_urlsafe()}"
        size = f"{LARGEST_BODY >> 20} MiB"
        try:
            with closing(self._opened()) as opened:
                opened.sock.settimeout(BODY_PATIENCE)
                headers = {"Content-Length": str(LARGEST_BODY)}
                opened.request("POST", path, headers=headers)
                refused = opened.getresponse().status == TOO_LARGE
        except (CommandFailed, HTTPException, OSError):
            refused = False
        if not refused:
            return CheckView(name="large bodies", verdict="ok", what=f"none refuses {size}")
        return CheckView(
            name="large bodies",
            verdict="warn",
            what=f"a proxy refuses bodies of {size}, which GitHub and GitLab may send",
            fix=f"raise its limit: {HOWTO}",
        )


def encryption(version: str, certificate: Mapping[str, object], now: Moment) -> CheckView:
    """Judge whether the certificate is renewed in time, however long it is given."""
    since, until = (_moment(certificate, name) for name in ("notBefore", "notAfter"))
    what = f"{version}, the certificate is good for {show_length(until - now)}"
    if (until - now) * RENEWED > until - since:
        return CheckView(name="encryption", verdict="ok", what=what)
    return CheckView(name="encryption", verdict="warn", what=what, fix="see why it is not renewed")


def clients(at: Address, seen: SightingView) -> CheckView:
    """Judge whether the server tells its clients apart."""
    name = "client addresses"
    if seen.is_trusted and seen.is_forwarded:
        what = f"this call is seen to come from {seen.source}, through {seen.peer}"
        return CheckView(name=name, verdict="ok", what=what)
    if seen.is_forwarded:
        return CheckView(
            name=name,
            verdict="warn",
            what=f"every client looks like {seen.peer}: a proxy there says whom it asks for,"
            " but is not trusted",
            fix=f"TINYFORGE_TRUSTED_PROXIES={seen.peer} where the server starts, if that is yours",
        )
    if at.scheme == "https":  # which the server does not speak itself
        return CheckView(
            name=name,
            verdict="warn",
            what=f"every client looks like {seen.peer}: the proxy does not say whom it asks for",
            fix=f"let it send X-Forwarded-For: {HOWTO}",
        )
    return CheckView(name=name, verdict="ok", what=f"this call is seen to come from {seen.peer}")


def _asked(opened: HTTPConnection, method: str, path: str, mark: str = "") -> HTTPResponse:
    try:
        opened.request(method, path, headers={MARK: mark} if mark else {})
        return opened.getresponse()
    except (HTTPException, OSError) as problem:
        said = "has not answered" if isinstance(problem, TimeoutError) else reason_of(problem)
        raise CommandFailed(f"{opened.host}: {said}", "is it HTTP that is spoken there?") from None


def _moment(certificate: Mapping[str, object], name: str) -> Moment:
    return int(ssl.cert_time_to_seconds(str(certificate[name]))) * SECOND


def _says_ok(response: HTTPResponse) -> bool:
    try:
        said = json.loads(response.read(LARGEST_SAID))
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("ok") is True


def _fails(name: str, what: str, fix: str) -> CheckView:
    return CheckView(name=name, verdict="fail", what=what, fix=fix)
