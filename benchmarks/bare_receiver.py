"""`python -m benchmarks.bare_receiver FILE`: a webhook receiver as people write it in an afternoon.

Starlette, and the interpreter's sqlite3: it checks the signature, reads the JSON, stores the body
and one result in one transaction each, and answers. Its settings of SQLite are ours.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SECRET = os.environ["BENCHMARK_SECRET"].encode()
SCHEMA = """
CREATE TABLE deliveries(id TEXT PRIMARY KEY, trigger TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE runs(delivery TEXT NOT NULL, state TEXT NOT NULL)"""
BRANCH = "refs/heads/main"


def main() -> None:
    db = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.executescript(SCHEMA)

    async def receive(request: Request) -> JSONResponse:
        body = await request.body()
        signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        given = request.headers.get("x-hub-signature-256", "")
        if not hmac.compare_digest(f"sha256={signature}", given):
            return JSONResponse({"error": "signature"}, 401)
        identity, trigger = request.headers["x-github-delivery"], request.path_params["name"]
        matched = json.loads(body)["ref"] == BRANCH
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO deliveries VALUES (?, ?, ?)", (identity, trigger, body))
        if matched:
            db.execute("INSERT INTO runs VALUES (?, 'queued')", (identity,))
        db.execute("COMMIT")
        return JSONResponse({"id": identity, "matched": matched}, 202)

    app = Starlette(routes=[Route("/hooks/{name}", receive, methods=["POST"])])
    config = uvicorn.Config(app, port=0, log_level="error", access_log=False, lifespan="off")
    listener = config.bind_socket()
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
