"""Servers go on where another one was moved from, and after a move that was killed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.moving.history import OPEN_EVENT, by_hand, content
from tests.postgres import ask
from tests.torture.served import environment, serving, tinyforge, verify
from tinyforge.server.moving import move
from tinyforge.store.sqlite.moving import UNFINISHED

pytestmark = pytest.mark.slow

KILLED_AT = """
import os, pathlib, signal, sys
from tinyforge.server.moving import run

def tell(progress):
    if progress.table == sys.argv[3] and progress.is_checked == (sys.argv[4] == "checked"):
        os.kill(os.getpid(), signal.SIGKILL)

def end(text):
    return text if "://" in text else pathlib.Path(text)

run(end(sys.argv[1]), end(sys.argv[2]), tell)
"""
OPEN = "SELECT count(*) FROM events WHERE fanned_at IS NULL"
UNDER_WAY = "SELECT count(*) FROM runs WHERE state = 3"


def killed(source: Path | str, target: Path | str, table: str, when: str) -> int:
    """Move in a process that dies once it tells of *table*."""
    words = [sys.executable, "-c", KILLED_AT, str(source), str(target), table, when]
    return subprocess.run(words, env=environment(), timeout=60, check=False).returncode


@pytest.mark.parametrize(("table", "when"), [("runs", "put"), ("facts", "checked")])
async def test_a_move_that_is_killed_has_changed_nothing_and_begins_anew(
    file: Path, url: str, tmp_path: Path, table: str, when: str
) -> None:
    before = content(file)
    assert await asyncio.to_thread(killed, file, url, table, when) == -signal.SIGKILL
    assert content(file) == before
    await move(file, url, lambda _: None)
    again = tmp_path / "again"
    assert await asyncio.to_thread(killed, url, again, table, when) == -signal.SIGKILL
    assert [entry.name for entry in again.iterdir() if entry.is_dir()] == [UNFINISHED]
    await move(url, again, lambda _: None)
    assert content(again) == before
    assert not (again / UNFINISHED).exists()


async def test_what_was_half_done_goes_on_after_the_move(
    file: Path, url: str, tmp_path: Path
) -> None:
    by_hand(file, OPEN_EVENT)
    await move(file, url, lambda _: None)
    (there := tmp_path / "replica").mkdir()
    shared = {"TINYFORGE_DATABASE": url}
    await asyncio.to_thread(serve_until_done, there, shared, url)
    assert await ask(url, OPEN) == 0
    (back := tmp_path / "back").mkdir()
    await move(url, back / "data", lambda _: None)
    await asyncio.to_thread(serve_and_verify, back)


def serve_until_done(folder: Path, variables: Mapping[str, str], url: str) -> None:
    with serving(folder, variables=variables) as served:
        assert served.until_ready(), served.last_words()
        served.wait_until(
            lambda: asyncio.run(ask(url, OPEN)) == 0 and asyncio.run(ask(url, UNDER_WAY)) == 0,
            "what was half done is done",
        )
        said = tinyforge(folder, "verify")
        assert said.returncode == 0, said.stdout + said.stderr
        served.tell(signal.SIGTERM)
        assert served.ended() == 0, served.last_words()


def serve_and_verify(folder: Path) -> None:
    with serving(folder) as served:
        assert served.until_ready(), served.last_words()
        assert verify(folder).ok
