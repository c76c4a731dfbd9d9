"""Numbered SQL files, each applied with its record in one transaction."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

SCHEMA = 3
SCHEMA_MIN = 1  # the oldest program that may still serve what this one writes


class Migration(NamedTuple):
    number: int
    name: str
    sql: str


def migrations(after: int) -> list[Migration]:
    """Return what brings a database of schema *after* up to date, in order."""
    folder = files("tinyforge.store") / "migrations"
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    every = [Migration(int(name[:4]), name, (folder / name).read_text()) for name in found]
    return [one for one in every if one.number > after]
