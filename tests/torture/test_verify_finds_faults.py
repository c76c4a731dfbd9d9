"""`verify` is quiet about a file that went through 25 kills, and finds each fault put into it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass

import pytest

from tests.torture.conftest import FIRE
from tests.torture.load import STEP, World
from tests.torture.served import tinyforge, verify
from tinyforge.clock import SECOND, rfc3339, utc
from tinyforge.ids import show

pytestmark = pytest.mark.slow
LONG_SPAN = "SELECT * FROM spans WHERE count > 1 ORDER BY until_at LIMIT 1"


@dataclass(frozen=True)
class Fault:
    """How it is planted, and the word by which it must be found."""

    statement: str
    word: str
    names_window: bool = True


PLANTED = {
    "an event deleted": Fault("DELETE FROM events WHERE id = {id}", "hole"),
    "a window doubled": Fault(
        """
        INSERT INTO spans(trigger_id, epoch, from_at, until_at, reason, count, decided_at)
        VALUES ({trigger_id}, {epoch}, {window_at}, {window_at}, 'late', 1, {accepted_at})""",
        "double",
    ),
    "results removed": Fault("DELETE FROM runs WHERE event_id = {id}", "no_result"),
    "last_fired_at moved": Fault(
        """
        UPDATE timing SET last_fired_at = last_fired_at + 1000000
        WHERE trigger_id = {trigger_id}""",
        "wrong_last_fired",
        names_window=False,  # the row is wrong, not a fire
    ),
}


def row(world: World, query: str) -> sqlite3.Row:
    with closing(sqlite3.connect(world.database)) as file:
        file.row_factory = sqlite3.Row
        found: sqlite3.Row = file.execute(query).fetchone()
        return found


def plant(world: World, statement: str) -> None:
    with closing(sqlite3.connect(world.database)) as file:
        assert file.execute(statement).rowcount > 0
        file.commit()


def name_of(world: World, trigger_id: int) -> str:
    return str(row(world, f"SELECT name FROM triggers WHERE id = {trigger_id}")["name"])


def said_of(world: World) -> str:
    """Return what `verify` tells people, and the hints beside it; it must exit with 1."""
    said = tinyforge(world.folder, "verify", "--utc")
    assert said.returncode == 1, said
    return said.stdout + said.stderr


def test_it_finds_nothing_in_a_file_that_is_whole(copy: World) -> None:
    said = tinyforge(copy.folder, "verify")
    assert said.returncode == 0, said
    assert "every window has exactly one decision, and every event its results" in said.stdout
    view = verify(copy.folder)
    assert (view.ok, list(view.faults), list(view.notes)) == (True, [], [])
    assert view.checked.triggers >= len(copy.timed)
    assert view.checked.windows > view.checked.events > len(copy.timed)


@pytest.mark.parametrize("fault", list(PLANTED))
def test_it_finds_what_was_planted_and_says_what_and_where(copy: World, fault: str) -> None:
    event = row(copy, f"SELECT * FROM events WHERE id = {FIRE}")
    plant(copy, PLANTED[fault].statement.format(**event))
    name, said = name_of(copy, event["trigger_id"]), said_of(copy)
    (line, *_) = [line for line in said.splitlines() if PLANTED[fault].word in line]
    assert line.startswith(name)
    assert not PLANTED[fault].names_window or f"{utc(event['window_at']):%F %H:%M}" in line
    assert f"tinyforge explain {name}" in said or f"event show {show('evt', event['id'])}" in said
    faults = verify(copy.folder).faults
    assert PLANTED[fault].word in {one.fault for one in faults}
    assert {one.trigger for one in faults} == {name}


def test_it_names_the_moment_of_a_window_without_a_decision(copy: World) -> None:
    event = row(copy, f"SELECT * FROM events WHERE id = {FIRE}")
    plant(copy, PLANTED["an event deleted"].statement.format(**event))
    assert rfc3339(event["window_at"]) in {one.window for one in verify(copy.folder).faults}


def test_it_finds_a_span_that_was_cut(copy: World) -> None:
    span = row(copy, LONG_SPAN)
    cut = f"UPDATE spans SET until_at = until_at - {STEP * SECOND}, count = count - 1"
    plant(copy, f"{cut} WHERE trigger_id = {span['trigger_id']} AND from_at = {span['from_at']}")
    name = name_of(copy, span["trigger_id"])
    assert name in said_of(copy)
    (found,) = verify(copy.folder).faults
    assert (found.trigger, found.fault) == (name, "hole")
    assert found.window == rfc3339(span["until_at"])


def test_faults_of_one_schedule_are_not_put_down_to_another(copy: World) -> None:
    event = row(copy, f"SELECT * FROM events WHERE id = {FIRE}")
    plant(copy, PLANTED["an event deleted"].statement.format(**event))
    other = row(copy, f"SELECT name FROM triggers WHERE id > {event['trigger_id']} AND id > 1")
    assert tinyforge(copy.folder, "verify", other["name"]).returncode == 0
    assert tinyforge(copy.folder, "verify", name_of(copy, event["trigger_id"])).returncode == 1
