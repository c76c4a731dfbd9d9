"""The API over HTTP(S), with the token; every way in which that goes wrong, in words."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from socket import gaierror
from urllib.parse import urlsplit

from msgspec import MsgspecError, json

from tinyforge.cli.client import (
    CONNECT_PATIENCE,
    JSON_BODY,
    PATIENCE,
    Answer,
    failure_of,
    lines_of,
    listening,
    reason_of,
)
from tinyforge.cli.failure import CommandFailed
from tinyforge.cli.remote import CA_FILE, TOKEN, URL, Address, Remote, trust
from tinyforge.operations.views import Problem

LARGEST_ANSWER = 256 << 20  # bytes
REDIRECTS, UNAUTHORIZED, BAD_REQUEST, TOO_LARGE = range(300, 400), 401, 400, 413
BEHIND = {502, 503, 504}  # of a proxy whose server does not answer
EXPIRED, OTHER_NAME = 10, 62  # OpenSSL's numbers of what is wrong with a certificate
BLOCK = 64 << 10
STREAM = "text/event-stream"
NEW_TOKEN = f"on the server: tinyforge token create --role …; here: export {TOKEN}=…"
CORRECT = f"correct the address, in {URL} or --url"
MIB = 1 << 20


class RemoteDoor:
    """One connection, kept open. A redirect is not followed: the token is for one server."""

    def __init__(self, remote: Remote, patience: float = PATIENCE) -> None:
        self._remote = remote
        self._at = remote.address
        self._patience = patience
        self._connection = connection(remote.address, remote.ca_file, patience)
        self._sending = _Sending(b"")

    def connect(self) -> None:
        """Raise CommandFailed where nobody answers there."""
        open_connection(self._connection, self._at, self._patience)

    def words(self) -> str:
        """Say what is going on while an answer is waited for."""
        return self._sending.words() or f"waiting for {self._at}"

    def ask(self, method: str, path: str, body: bytes | None) -> Answer:
        try:
            response = self._ask(method, path, body)
            content = response.read(LARGEST_ANSWER + 1)
        except TimeoutError:
            raise CommandFailed(
                f"{self._at} has not answered for {self._patience:g} s",
                "look at the log of the server and of the proxy",
            ) from None
        except (HTTPException, OSError) as problem:
            raise CommandFailed(
                f"{self._at} went away while it answered: {reason_of(problem)}",
                "try again; if it stays so, look at the log of the server and of the proxy",
            ) from problem
        if len(content) > LARGEST_ANSWER:
            raise CommandFailed(f"{self._at} answered more than {LARGEST_ANSWER >> 20} MiB")
        return self._judged(response, content)

    def listen(self, path: str, last_id: str) -> Iterator[bytes]:
        self._connection.close()
        self.connect()
        headers = {**self._headers(), **listening(last_id)}
        try:
            self._connection.request("GET", self._at.prefix + path, None, headers)
            response = self._connection.getresponse()
            if response.headers.get_content_type() != STREAM:
                answer = self._judged(response, response.read(LARGEST_ANSWER))
                raise failure_of(answer)
            yield from lines_of(response)
        except (HTTPException, OSError) as problem:
            raise CommandFailed(
                f"{self._at} went away: {reason_of(problem)}", "look at the log of the server"
            ) from problem
        finally:
            self._connection.close()

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None) -> HTTPResponse:
        try:
            return self._asked_once(method, path, body)
        except (ConnectionError, HTTPException):
            if method != "GET":  # what changes something may have been done
                raise
        self._connection.close()  # it was closed over there while it was idle
        self.connect()
        return self._asked_once(method, path, body)

    def _asked_once(self, method: str, path: str, body: bytes | None) -> HTTPResponse:
        self._sending = _Sending(body or b"")
        headers = {**self._headers(), **(JSON_BODY if body is not None else {})}
        if body is not None:
            headers["Content-Length"] = str(len(body))
        sent = self._sending if body is not None else None
        with suppress(BrokenPipeError, ConnectionResetError):  # answered before all was sent
            self._connection.request(method, self._at.prefix + path, sent, headers)
        return self._connection.getresponse()

    def _headers(self) -> Mapping[str, str]:
        token = self._remote.token
        told = {"Accept": "application/json", "User-Agent": "tinyforge"}
        return told if token is None else {**told, "Authorization": f"Bearer {token.reveal()}"}

    def _judged(self, response: HTTPResponse, content: bytes) -> Answer:
        if response.status in REDIRECTS:
            raise _redirected(self._at, response)
        if not is_json(response):
            raise not_ours(self._at, response)
        if response.status == UNAUTHORIZED:
            raise self._unauthorized(content)
        return Answer(response.status, content)

    def _unauthorized(self, content: bytes) -> CommandFailed:
        if self._remote.token is None:
            return CommandFailed(f"{self._at} wants a token, and {TOKEN} is not set", NEW_TOKEN)
        refused = f"{self._at} does not take the token in {TOKEN}"
        try:
            shown = json.decode(content, type=Problem)
        except (MsgspecError, ValueError):
            return CommandFailed(refused, NEW_TOKEN)
        return CommandFailed(f"{refused}: {shown.detail or shown.title}", NEW_TOKEN)


class _Sending(io.RawIOBase):
    """A body, and how much of it is on its way."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._body = body
        self._at = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        block = self._body[self._at : self._at + (BLOCK if size < 0 else size)]
        self._at += len(block)
        return block

    def words(self) -> str:
        """Say how far it is; nothing where it is small, or sent."""
        whole = len(self._body)
        if self._at >= whole or whole < MIB:
            return ""
        return f"sending {self._at / MIB:.1f} of {whole / MIB:.1f} MiB"


# --- connections


def connection(address: Address, authorities: Path | None, patience: float) -> HTTPConnection:
    host, port = address.host, address.port
    soon = min(CONNECT_PATIENCE, patience)
    if address.scheme == "http":
        return HTTPConnection(host, port, timeout=soon, blocksize=BLOCK)
    context = trust(authorities)
    return HTTPSConnection(host, port, timeout=soon, context=context, blocksize=BLOCK)


def open_connection(opened: HTTPConnection, address: Address, patience: float) -> None:
    """Connect, and then wait *patience* seconds for answers; raise CommandFailed with the fix."""
    try:
        opened.connect()
    except OSError as problem:
        raise _unreachable(address, problem) from None
    opened.sock.settimeout(patience)


def _unreachable(at: Address, problem: OSError) -> CommandFailed:
    match problem:
        case ssl.SSLCertVerificationError():
            return _untrusted(at, problem)
        case ssl.SSLError():
            return CommandFailed(
                f"{at}: no TLS can be spoken there: {problem.reason or problem}",
                "is it the port of HTTPS? write http:// for one that speaks none",
            )
        case gaierror():
            return CommandFailed(f"{at}: there is no host {at.host}: {problem.strerror}", CORRECT)
        case ConnectionRefusedError():
            return CommandFailed(
                f"{at}: nobody listens on port {at.port} of {at.host}",
                "is the server, or the proxy before it, running, and is it this port?",
            )
        case TimeoutError():
            return CommandFailed(
                f"{at}: nobody answers there",
                "is the machine up, and does a firewall let the port through?",
            )
        case _:
            return CommandFailed(f"{at}: {reason_of(problem)}", f"{CORRECT}, or try again")


def _untrusted(at: Address, problem: ssl.SSLCertVerificationError) -> CommandFailed:
    fixes = {
        EXPIRED: "renew the certificate there",
        OTHER_NAME: "use a name that the certificate is for",
    }
    return CommandFailed(
        f"{at}: its certificate is not trusted: {problem.verify_message}",
        fixes.get(problem.verify_code, f"of a CA of your own: export {CA_FILE}=ca.pem"),
    )


# --- answers that are not the API's


def is_json(response: HTTPResponse) -> bool:
    kind = response.headers.get_content_type()
    return kind == "application/json" or kind.endswith("+json")


def _redirected(at: Address, response: HTTPResponse) -> CommandFailed:
    try:
        to = urlsplit(response.headers.get("location", ""))
        host = to.netloc.rpartition("@")[2]  # a login is nobody's business
    except ValueError:
        return CommandFailed(f"{at} answers with a redirect, which is not followed")
    path = to.path.partition("/api/v1")[0]
    where = f"{to.scheme}://{host}{path}" if host else path
    return CommandFailed(
        f"{at} sends elsewhere, to {where or 'nowhere'}; the token is not carried there",
        f"if that is your server: export {URL}={where}" if host else f"correct {URL}",
    )


def not_ours(at: Address, response: HTTPResponse) -> CommandFailed:
    """Say what else than Tinyforge has answered."""
    said = f"{at} answered {response.status}"
    if response.status in BEHIND:
        return CommandFailed(
            f"{said}: the proxy there gets no answer from the server behind it",
            "is the server running, and does the proxy have its address?",
        )
    if response.status == TOO_LARGE:
        return CommandFailed(
            f"{said}: the proxy there takes no body of this size",
            "raise its limit: docs/howto/reverse-proxy.md",
        )
    if response.status == UNAUTHORIZED:
        return CommandFailed(
            f"{said}: something before Tinyforge wants a login of its own",
            f"let /api/ pass there: docs/howto/reverse-proxy.md; or {CORRECT}",
        )
    return CommandFailed(
        f"{said}, and not as Tinyforge does", f"{CORRECT}: https://HOST[:PORT][/PREFIX]"
    )
