"""Another version of this program: its source with one more step of the schema, or two."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.torture.served import ROOT

STEP = """
ALTER TABLE runs ADD COLUMN mood text NOT NULL DEFAULT 'calm';
ALTER TABLE events ADD COLUMN weight bigint NOT NULL DEFAULT 1;
CREATE TABLE moods_{0}(name text PRIMARY KEY, since bigint);
CREATE INDEX mood_since_{0} ON moods_{0}(since);
"""
NEXT_STEP = "CREATE TABLE more_{0}(name text PRIMARY KEY);\n"
MIGRATE = "src/tinyforge/store/postgres/migrate.py"
MIGRATIONS = "src/tinyforge/store/postgres/migrations"
SCHEMA = re.compile(r"^SCHEMA = (\d+)$", re.MULTILINE)


def schema_here() -> int:
    found = SCHEMA.search((ROOT / MIGRATE).read_text())
    assert found is not None
    return int(found[1])


def newer_program(folder: Path, steps: int = 1) -> Path:
    """Write the version that comes *steps* schemas later; return what its PYTHONPATH is."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    migrate = folder / MIGRATE
    here = schema_here()
    migrate.write_text(SCHEMA.sub(f"SCHEMA = {here + steps}", migrate.read_text()))
    for number in range(here + 1, here + steps + 1):
        script = (STEP if number == here + 1 else NEXT_STEP).format(number)
        (folder / MIGRATIONS / f"{number:04}_moods.sql").write_text(script)
    return folder / "src"
