"""The way in while no server runs: the same app, called in this process."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from litestar.types import ASGIApp

from tinyforge.cli.client import Answer
from tinyforge.cli.failure import CommandFailed
from tinyforge.server.offline import open_offline
from tinyforge.settings import read_settings
from tinyforge.web.local import call


class FileDoor:
    def __init__(self, runner: asyncio.Runner, app: ASGIApp) -> None:
        self._runner = runner
        self._app = app
        self._actor = f"local:{getpass.getuser()}"

    def ask(self, method: str, path: str, body: bytes | None) -> Answer:
        asked = call(self._app, method, path, body or b"", actor=self._actor)
        answer = self._runner.run(asked)
        return Answer(answer.status, answer.body)

    def listen(self, _path: str, _last_id: str, /) -> Iterator[bytes]:
        raise CommandFailed("no server runs, so nothing changes", "tinyforge serve")


@contextmanager
def open_file(data: Path, writable: bool) -> Iterator[FileDoor]:
    settings = read_settings(os.environ, {"data": str(data)})
    with asyncio.Runner() as runner:
        opened = open_offline(settings, writable=writable)
        app = runner.run(opened.__aenter__())
        try:
            yield FileDoor(runner, app)
        finally:
            runner.run(opened.__aexit__(None, None, None))
