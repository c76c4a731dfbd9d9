"""The page about commands names every command with all that it takes, and nothing else."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.docs.tables import codes, page, rows, section
from tinyforge.cli.commands import COMMANDS, Command, build
from tinyforge.cli.options import Shared
from tinyforge.cli.serve import ServeFlags
from tinyforge.settings import BY_NAME

PAGE = page("reference/commands.md")
SHARED = {f"--{field.name}" for field in fields(Shared)}
OPPOSITES = ("--no-", "--empty-")


def takes(command: Command) -> set[str]:
    app = build()
    for word in command.words.split():
        app = app[word]
    names = {name for one in app.assemble_argument_collection() for name in one.names}
    return {name for name in names if name != "*" and not name.startswith(OPPOSITES)}


def described() -> dict[str, list[str]]:
    return rows(section(PAGE, "## All of them"))


def test_every_command_is_described_in_its_own_words() -> None:
    assert {name: cells[1] for name, cells in described().items()} == {
        command.words: command.what for command in COMMANDS
    }


@pytest.mark.parametrize(
    "command", [one for one in COMMANDS if one.words != "serve"], ids=lambda one: one.words
)
def test_everything_that_a_command_takes_is_described(command: Command) -> None:
    found = takes(command)
    assert set(codes(described()[command.words][0])) == found - SHARED
    assert found >= SHARED or command.words == "init"


def test_what_every_command_takes_is_described() -> None:
    assert set(rows(section(PAGE, "## What every command takes"))) == SHARED


def test_what_serve_takes_stands_among_the_settings() -> None:
    assert described()["serve"][0] == "[settings](settings.md)"
    flags = {cells[0] for cells in rows(page("reference/settings.md")).values() if cells[0]}
    assert flags == {f"`{BY_NAME[field.name].flag}`" for field in fields(ServeFlags)}
