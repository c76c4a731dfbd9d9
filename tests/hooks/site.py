"""One real server with endpoints, and what can be seen of it from outside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.hooks.calling import Answer, ask, github
from tests.inbound.forges import github_push
from tests.inbound.sending import SECRET
from tests.server.place import Place, Server

TOKEN = "a token of forty letters, as long as keys"
KNOWN = {
    name: f"{name}-{'k' * 40}"
    for name in (
        "push",
        "lone",
        "form",
        "off",
        "small",
        "busy",
        "mended",
        "many",
        "images",
        "any",
        "stash",
    )
}
UNKNOWN = "nobody-" + "k" * 40
RATE = 60  # deliveries per second of one endpoint; 20 times as many at once
MOST_SENDERS = 1_000  # connections of one address

MANIFEST = f"""
workloads:
  site: {{kind: command, command: ["true"], queue: every}}
triggers:
  push: {{kind: github, secret: "${{env:SENDERS_SECRET}}", endpoint: {KNOWN["push"]}}}
  lone: {{kind: github, secret: "${{env:SENDERS_SECRET}}", endpoint: {KNOWN["lone"]}}}
  form: {{kind: gitea, secret: "${{env:SENDERS_SECRET}}", endpoint: {KNOWN["form"]}}}
  off: {{kind: github, secret: "${{env:SENDERS_SECRET}}", endpoint: {KNOWN["off"]}, enabled: false}}
  small: {{kind: github, secret: "${{env:SENDERS_SECRET}}", endpoint: {KNOWN["small"]}, max_body: 100KiB}}
  busy: {{kind: github, secret: "${{env:SENDERS_SECRET}}", endpoint: {KNOWN["busy"]}}}
  mended: {{kind: github, secret: "${{env:SENDERS_SECRET}}", endpoint: {KNOWN["mended"]}}}
  many: {{kind: github, secret: "${{env:SENDERS_SECRET}}", endpoint: {KNOWN["many"]}}}
  images: {{kind: dockerhub, endpoint: {KNOWN["images"]}}}
  any: {{kind: webhook, proof: bearer, secret: "${{env:SENDERS_TOKEN}}", endpoint: {KNOWN["any"]}}}
  stash: {{kind: bitbucket, secret: "${{env:SENDERS_SECRET}}", endpoint: {KNOWN["stash"]}}}
bindings:
  - {{trigger: push, workload: site, match: {{branch: main}}}}
  - {{trigger: small, workload: site}}
  - {{trigger: busy, workload: site}}
  - {{trigger: mended, workload: site, match: {{branch: later}}}}
  - {{trigger: many, workload: site}}
  - {{trigger: images, workload: site}}
  - {{trigger: any, workload: site, match: {{events: [push]}}}}
"""


@dataclass(frozen=True)
class Site:
    place: Place
    server: Server

    @property
    def port(self) -> int:
        return self.server.port

    def post(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send to the endpoint of that name, on a connection of its own."""
        return ask(self.port, f"/hooks/{KNOWN[name]}", body, headers)

    def push(self, name: str, delivery: str = "", **payload: object) -> Answer:
        """Push to main as GitHub tells it; *payload* is what differs."""
        return self.post(name, *github(github_push(**payload), delivery))

    def count(self, table: str, where: str = "1") -> int:
        """Count rows, as another program sees them."""
        path = self.place.data / "tinyforge.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            found: int = db.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0]
            return found

    def of(self, table: str, name: str) -> int:
        """Count the rows of one trigger."""
        return self.count(table, f"trigger_id = (SELECT id FROM triggers WHERE name = '{name}')")

    def files(self) -> bytes:
        """Return everything that the server has written, its log included."""
        written = [*self.place.data.iterdir(), self.place.folder / "server.log"]
        return b"".join(path.read_bytes() for path in written if path.is_file())


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    place = Place(folder)
    place.write(MANIFEST)
    words = ["--log-level", "debug", "--deliveries-per-second", str(RATE)]
    words += ["--connections-per-address", str(MOST_SENDERS)]
    with place.serving(*words, SENDERS_SECRET=SECRET, SENDERS_TOKEN=TOKEN) as server:
        yield Site(place, server)
