"""A container registry of the tests' own, and somebody who pushes to it over plain HTTP."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.ports import free_port
from tests.torture.served import wait_until

PATIENCE = 20.0  # seconds
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
SETTINGS = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
notifications:
  endpoints:
    - name: tinyforge
      url: {url}
      headers: {{Authorization: ["Bearer {token}"]}}
      timeout: 2s
      threshold: 3
      backoff: 200ms
"""


@dataclass(frozen=True)
class Registry:
    port: int

    def push(self, repository: str, tags: list[str]) -> None:
        """Push one image under each of *tags*."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            pusher = Pusher(connection, repository)
            manifest = {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": pusher.blob(b'{"architecture": "amd64", "os": "linux"}', CONFIG),
                "layers": [pusher.blob(b"a layer", LAYER)],
            }
            for tag in tags:
                pusher.manifest(tag, json.dumps(manifest).encode())


@dataclass(frozen=True)
class Pusher:
    connection: HTTPConnection
    repository: str

    def blob(self, content: bytes, kind: str) -> dict[str, object]:
        """Upload it; return its description."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        where = urlsplit(self._asked("POST", f"/v2/{self.repository}/blobs/uploads/", 202))
        octets = {"content-type": "application/octet-stream"}
        path = f"{where.path}?{where.query}&digest={digest}"
        self._asked("PUT", path, 201, content, octets)
        return {"mediaType": kind, "size": len(content), "digest": digest}

    def manifest(self, tag: str, content: bytes) -> None:
        path = f"/v2/{self.repository}/manifests/{tag}"
        self._asked("PUT", path, 201, content, {"content-type": MANIFEST})

    def _asked(
        self,
        method: str,
        path: str,
        expected: int,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> str:
        """Ask, and return where what was made is."""
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        said = answer.read()
        assert answer.status == expected, said
        return answer.headers["location"]


@contextmanager
def own_registry(folder: Path, url: str, token: str) -> Iterator[Registry]:
    """Run a registry that tells *url* of what is pushed to it."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("needs docker-registry")
    port = free_port()
    settings = folder / "registry.yml"
    places = {"folder": folder / "registry", "port": port, "url": url, "token": token}
    settings.write_text(SETTINGS.format(**places))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", settings], stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(port) or process.poll() is not None, "the registry answers")
        assert process.poll() is None, (folder / "registry.log").read_text()[-2_000:]
        yield Registry(port)
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == 200
    except OSError:
        return False
