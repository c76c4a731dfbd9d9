"""What `tinyforge migrate` says, and how it ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import json

from tests.torture.served import environment
from tinyforge.operations.moving import MoveView


async def called(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Call `tinyforge migrate …` as a person would."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tinyforge", "migrate", *map(str, words)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_people_hear_of_each_table_and_what_to_do_next(file: Path, url: str) -> None:
    said = await called("--from", file / "tinyforge.db", "--to", url)
    assert said.returncode == 0, said.stderr
    assert "events: 7 of 7, checked" in said.stderr.splitlines()
    assert f"moved 73 rows from {file / 'tinyforge.db'} to postgresql://" in said.stdout
    assert "is as it was: start no server on it any more" in said.stderr
    assert f"next: TINYFORGE_DATABASE='{url.replace(':@', '@')}' tinyforge serve" in said.stderr


async def test_programs_get_one_json_and_nothing_else(file: Path, url: str) -> None:
    said = await called("--data", file, "--to", url, "--json")
    assert (said.returncode, said.stderr) == (0, "")
    view = json.decode(said.stdout, type=MoveView)
    assert {table.name: table.rows for table in view.tables}["events"] == 7
    assert view.source == str(file / "tinyforge.db")


async def test_quiet_is_quiet_also_on_the_way_back(file: Path, url: str, tmp_path: Path) -> None:
    for words in (("--from", file, "--to", url), ("--from", url, "--data", tmp_path / "back")):
        said = await called(*words, "--quiet")
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    assert (tmp_path / "back" / "tinyforge.db").stat().st_mode & 0o777 == 0o600


async def test_a_password_is_never_shown(file: Path) -> None:
    said = await called("--from", file, "--to", "postgresql://me:tiger@127.0.0.1:1/x")
    assert said.returncode == 1
    assert "tiger" not in said.stderr
    assert "PostgreSQL" in said.stderr


@pytest.mark.parametrize(
    ("words", "code", "error", "fix"),
    [
        ((), 2, "needs --from or --to", "tinyforge migrate --from /var/lib/tinyforge --to"),
        (("--from", "a", "--to", "b"), 2, "both ends are folders", "cp -a a b"),
        (
            ("--from", "postgresql://h/a", "--to", "postgresql://h/b"),
            *(2, "both ends are PostgreSQL", "pg_dump and pg_restore"),
        ),
        (("--from", "a", "--to", "mysql://h/b"), 2, "--to: this is no PostgreSQL address", ""),
        (("--from", "/nowhere", "--to", "postgresql://h/b"), 1, "there is no /nowhere", "give"),
    ],
)
async def test_what_cannot_be_meant_is_said_with_the_fix(
    words: tuple[str, ...], code: int, error: str, fix: str
) -> None:
    said = await called(*words)
    assert (said.returncode, said.stdout) == (code, "")
    assert error in said.stderr
    assert f"fix: {fix}" in said.stderr or not fix
