"""One real server with secrets planted in it, and everything that any of its doors has said."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.torture.served import SERVER_LOG, Served, environment, serving, wait_until

API = "/api/v1"
PATIENCE = 60


def planted(what: str) -> str:
    """Give a text that turns up by chance nowhere, and is a valid path of an endpoint, too."""
    return f"canary_{what}_{secrets.token_hex(20)}"


def forms(text: str) -> set[str]:
    """Return the ways in which *text* may turn up: plain, hexadecimal, base64 at any place."""
    raw = text.encode()
    shifted = (base64.b64encode(b"\0" * by + raw).decode() for by in range(3))
    return {text, raw.hex(), *(one[4:-4] for one in shifted)}


@dataclass
class Echo:
    """A server outside, which says again what it was told, and counts nothing as done."""

    server: ThreadingHTTPServer
    heard: list[str]

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def echo() -> Iterator[Echo]:
    heard: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            said = f"{self.requestline}\n{self.headers}\n{body.decode(errors='replace')}"
            heard.append(said)
            self.send_response(500 if "fail" in self.path else 200)
            self.send_header("content-length", str(len(said.encode())))
            self.end_headers()
            self.wfile.write(said.encode())

        do_GET = do_POST  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Echo(server, heard)
        server.shutdown()
        thread.join()


@dataclass
class Site:
    served: Served
    port: int
    said: dict[str, str] = field(default_factory=dict)  # by whoever said it
    token: str = ""

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        keep: bool = True,
    ) -> tuple[int, str]:
        """Ask over TCP, and keep the whole answer."""
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            asking.request(method, path, body, dict(headers or {}))
            answer = asking.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            asking.close()
        shown = re.sub(r"/hooks/[^ ]+", "/hooks/…", path)
        if keep:
            self.said[f"{method} {shown} #{len(self.said)}"] = f"{answer.headers}\n{text}"
        return answer.status, text

    def api(
        self, method: str, path: str, body: object = None, *, keep: bool = True
    ) -> tuple[int, str]:
        sent = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        return self.ask(method, API + path, sent, headers, keep=keep)

    def hook(self, endpoint: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        usual = {"content-type": "application/json"}
        return self.ask("POST", f"/hooks/{endpoint}", body, usual | dict(headers))

    def command(self, *words: str, keep: bool = True) -> str:
        """Call the command as a person beside the server would."""
        done = subprocess.run(
            [sys.executable, "-m", "tinyforge", *words, "--data", str(self.served.data)],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=PATIENCE,
            check=False,
        )
        said = done.stdout + done.stderr
        if keep:
            self.said[f"tinyforge {' '.join(words)}"] = said
        return said

    def until_over(self, runs: int) -> None:
        """Wait until that many runs have come to an end."""

        def are_over() -> bool:
            _, text = self.api("GET", "/runs?limit=500")
            listed = json.loads(text)["items"]
            return len(listed) >= runs and all(run["ended_at"] for run in listed)

        self.served.wait_until(are_over, f"{runs} runs are over")

    @property
    def log(self) -> str:
        return (self.served.folder / SERVER_LOG).read_text(errors="replace")

    def stop(self) -> None:
        self.served.tell(signal.SIGTERM)
        assert self.served.ended() == 0, self.served.last_words()


@contextmanager
def site(folder: Path, manifest: str, variables: Mapping[str, str]) -> Iterator[Site]:
    """Serve *manifest* until the block ends, with a token of an admin."""
    (folder / "tinyforge.yaml").write_text(manifest)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = ["--config", str(folder / "tinyforge.yaml")]
    with serving(folder, words, variables, listen=f"127.0.0.1:{port}") as served:
        assert served.until_ready(), served.last_words()
        one = Site(served, port)
        made = one.command("token", "create", "--role", "admin", "--json", keep=False)
        assert made.startswith("{"), made + served.last_words()
        one.token = json.loads(made)["secret"]
        wait_until(lambda: listens(port), f"port {port} answers")
        yield one


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE):
        return True
    return False


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def github(secret: str, body: bytes, event: str, delivery: str) -> dict[str, str]:
    return {
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": f"sha256={signature(secret, body)}",
    }
