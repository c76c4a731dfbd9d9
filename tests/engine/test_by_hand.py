"""Rows that people put in or change with another program: whatever they hold, the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.engine.house import BEGIN, House, open_house
from tests.engine.nonsense import VALUES
from tests.operations.house import ME
from tinyforge.clock import MINUTE, SECOND, Moment
from tinyforge.model import Outcome, RunState
from tinyforge.observe.events import (
    EventsAccepted,
    ListingFailed,
    RecordingFailed,
    RowBroken,
    RowRepaired,
    SchedulesFired,
)
from tinyforge.operations.lists import Wanted

GOOD = 1_000
ANSWERS = {Outcome.MATCHED, Outcome.MATCH_FAILED, Outcome.UNKNOWN_KIND, Outcome.DISABLED}
MINUTELY = """'{"interval": "60s"}'"""
ROWS: Mapping[str, Mapping[str, str]] = {
    "triggers": {
        "name": "",
        "kind": "'schedule'",
        "config": MINUTELY,
        "enabled": "1",
        "managed_by": "'api'",
        "revision_id": "NULL",
        "broken": "NULL",
        "proved_from": "NULL",
        "deleted_at": "NULL",
    },
    "workloads": {
        "name": "",
        "kind": "'quick'",
        "config": "'{}'",
        "queue": "'latest'",
        "timeout": "NULL",
        "retry": "NULL",
        "idempotent": "NULL",
        "managed_by": "'api'",
        "revision_id": "NULL",
        "broken": "NULL",
        "deleted_at": "NULL",
    },
    "bindings": {
        "name": "",
        "trigger_id": "2",  # the first of the good ones
        "workload_id": "1",
        "rule": "NULL",
        "enabled": "1",
        "managed_by": "'api'",
        "revision_id": "NULL",
        "broken": "NULL",
        "deleted_at": "NULL",
    },
}
NOT_NULL = {"name", "kind", "config", "enabled", "managed_by", "queue", "trigger_id", "workload_id"}
READABLE = {"empty", "text", "negative", "largest", "huge", "digits"}
FINE: Mapping[str, set[str]] = {  # what makes sense there, or does no harm
    "name": {"text", "largest"},
    "managed_by": READABLE,
    "revision_id": {"null", "negative", "largest"},
    "broken": set(VALUES),
    "proved_from": {"null"},
    "deleted_at": {"null", "negative", "largest"},
    "timeout": {"null"},
    "retry": {"null"},
    "idempotent": {"null"},
    "rule": {"null"},
}


class Case(NamedTuple):
    table: str
    column: str
    value: str
    row_id: int
    changed: bool  # put in whole, and changed then; else put in as it is

    @property
    def what(self) -> str:
        return self.table.removesuffix("s")

    @property
    def good(self) -> str:
        return ROWS[self.table][self.column] or f"'n{self.row_id}'"

    @property
    def bad(self) -> str:
        return "'text2'" if self.value == "text" and self.changed else VALUES[self.value]

    @property
    def is_fine(self) -> bool:
        return self.value in FINE.get(self.column, ())

    def put(self) -> str:
        cells = {**ROWS[self.table], "name": f"'n{self.row_id}'"}
        if not self.changed:
            cells[self.column] = self.bad
        columns, values = ", ".join(cells), ", ".join(cells.values())
        return f"INSERT INTO {self.table}(id, {columns}) VALUES ({self.row_id}, {values});\n"

    def change(self, value: str) -> str:
        return f"UPDATE {self.table} SET {self.column} = {value} WHERE id = {self.row_id};\n"


def cases() -> Iterator[Case]:
    row_id = 100_000
    for table, columns in ROWS.items():
        for column in columns:
            for value in VALUES:
                for changed in (False, True):
                    if value == "null" and column in NOT_NULL:
                        continue  # the table itself refuses it
                    if column == "name" and value != "text" and changed:
                        continue  # that name is taken by the row before
                    row_id += 1
                    yield Case(table, column, value, row_id, changed)


ALL = list(cases())
BROKEN = {(case.what, case.row_id) for case in ALL if not case.is_fine}


@pytest.mark.slow
async def test_whatever_a_column_holds_is_said_once_and_the_rest_is_on_time(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        numbers = house.sites(GOOD)
        assert numbers[0] == 2
        await house.pass_time(SECOND)
        await put_all(house)
        await on_time(house)
        said = house.happened.of(RowBroken)
        assert {(one.what, one.row_id) for one in said} == BROKEN
        assert len(said) == len(BROKEN)
        assert all(one.problem for one in said)
        assert shown_as_broken(house) == BROKEN
        house.happened.forget()
        await on_time(house)
        assert house.happened.of(RowBroken) == []
        await read_everything(house)
        clock = house.clock
    async with open_house(tmp_path, clock) as house:
        await on_time(house)
        assert house.happened.of(RowBroken) == []
        await mend_all(house)
        await on_time(house)
        mended = {(one.what, one.row_id) for one in house.happened.of(RowRepaired)}
        assert mended == BROKEN
        assert shown_as_broken(house) == set()
        assert house.happened.of(ListingFailed) == house.happened.of(RecordingFailed) == []


async def put_all(house: House) -> None:
    script = ["BEGIN;"]
    script += [case.put() for case in ALL]
    script += [case.change(case.bad) for case in ALL if case.changed]
    house.by_sqlite3("\n".join([*script, "COMMIT;"]))


async def mend_all(house: House) -> None:
    script = [case.change(case.good) for case in ALL if not case.is_fine]
    house.by_sqlite3("\n".join(["BEGIN;", *script, "COMMIT;"]))


async def on_time(house: House) -> None:
    """Let a minute go by: every good schedule fires its window, none late."""
    fired: list[Moment] = []
    house.clock.move(MINUTE - SECOND)
    assert await house.sweep()
    house.clock.move(SECOND)
    before = len(house.happened.of(SchedulesFired))
    assert await house.sweep()
    for one in house.happened.of(SchedulesFired)[before:]:
        fired += [fire.late_by for fire in one.fired if fire.trigger.startswith("s")]
    assert fired == [0] * GOOD


def shown_as_broken(house: House) -> set[tuple[object, object]]:
    tables = (f"SELECT '{t[:-1]}', id FROM {t} WHERE broken IS NOT NULL" for t in ROWS)
    return set(house.read(" UNION ALL ".join(tables)))


async def read_everything(house: House) -> None:
    """Ask what people ask; whatever stands in the rows, there is an answer."""
    triggers = (await house.doors.lists.triggers(ME, Wanted(limit=GOOD + len(ALL)))).items
    assert len([one for one in triggers if one.problem]) == len(
        [one for one in BROKEN if one[0] == "trigger"]
    )
    await house.doors.lists.workloads(ME, Wanted())
    await house.doors.lists.bindings(ME, Wanted())
    await house.doors.doctor.examine(ME)
    await house.doors.manifests.export(ME)
    await house.doors.forecasts.preview_all(ME, 3)
    assert await house.faults() == []


# --- rows as such


@pytest.mark.parametrize("row_id", [0, -5, 2**63 - 1, 2**62])
async def test_an_odd_id_is_a_row_like_any_other_or_shown_as_broken(
    tmp_path: Path, row_id: int
) -> None:
    async with open_house(tmp_path) as house:
        good = house.site("good")
        house.by_hand(
            f"INSERT INTO triggers(id, name, kind, config) VALUES ({row_id}, 'odd', 'schedule', {MINUTELY})",
            f"INSERT INTO workloads(id, name, kind) VALUES ({row_id}, 'odd', 'quick')",
            f"INSERT INTO bindings(id, name, trigger_id, workload_id) VALUES ({row_id}, 'odd', {row_id}, {row_id})",
        )
        await house.pass_time(SECOND)
        await house.doors.triggers.show("odd", ME)
        clock = house.clock
    async with open_house(tmp_path, clock) as house:
        await house.pass_time(MINUTE)
        await house.settle()
        assert len(await house.events(good)) == 2
        assert await house.faults() == []


@pytest.mark.parametrize(
    "config",
    [
        '{"interval": ' + "9" * 5_000 + "}",
        '{"interval": "' + "9" * 5_000 + 's"}',
        '{"interval": "60s", "interval": "9s"}',
        '{"interval": NaN}',
        '{"interval": "60s", "spread": -1e400}',
        '{"interval": "\\ud800"}',
        '{"cron": "' + "*," * 50_000 + '* * * * *"}',
        '{"at": "9999-12-31T23:59:59Z"}',
        '{"interval": ' + "[" * 60 + "]" * 60 + "}",
        '{"interval": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"cron": "0 0 30 2 *"}',
        '{"interval": "60s", "timezone": "../../etc/passwd"}',
    ],
    ids=lambda text: text[:28],
)
async def test_config_that_makes_no_sense_is_said_once(house: House, config: str) -> None:
    good = house.site("good")
    house.by_hand(
        f"INSERT INTO triggers(id, name, kind, config) VALUES (77, 'odd', 'schedule', '{config}')"
    )
    for _ in range(3):
        await house.pass_time(MINUTE)
    (said,) = house.happened.of(RowBroken)
    assert said.name == "odd"
    assert len(said.problem) <= 1_000
    assert len(await house.events(good)) == 3
    assert await house.events(77) == []


async def test_a_broken_schedule_is_closed_and_goes_on_when_it_is_mended(house: House) -> None:
    number = house.site()
    await house.pass_time(MINUTE)
    house.by_hand(f"""UPDATE triggers SET config = '{{"interval": "1s"}}' WHERE id = {number}""")
    await house.pass_time(10 * MINUTE)
    house.by_hand(f"""UPDATE triggers SET config = '{{"interval": "60s"}}' WHERE id = {number}""")
    await house.pass_time(SECOND)
    assert len(await house.events(number)) == 1
    await house.pass_time(MINUTE)
    assert len(await house.events(number)) == 2
    assert [
        type(one) for one in house.happened.all if isinstance(one, RowBroken | RowRepaired)
    ] == [
        RowBroken,
        RowRepaired,
    ]
    assert await house.faults() == []


@pytest.mark.parametrize("first", ["binding", "workload", "trigger"])
async def test_rows_may_be_put_in_in_any_order_and_at_any_time(house: House, first: str) -> None:
    rows = {
        "binding": "INSERT INTO bindings(id, name, trigger_id, workload_id) VALUES (9, 'b', 7, 8)",
        "workload": "INSERT INTO workloads(id, name, kind) VALUES (8, 'site', 'quick')",
        "trigger": "INSERT INTO triggers(id, name, kind) VALUES (7, 'button', 'manual')",
    }
    for what in (first, *(rows.keys() - {first})):
        house.by_hand(rows[what])
        await house.pass_time(MINUTE)
    results = await house.results(await house.fire(7))
    assert [result.outcome for result in results] == [Outcome.MATCHED]
    assert house.read("SELECT broken FROM bindings") == [(None,)]


async def test_a_row_taken_out_by_hand_fires_and_runs_no_more(house: House) -> None:
    number = house.site()
    kept = house.schedule("kept", interval="60s")
    works = [house.workload(f"w{n}") for n in range(3)]
    bindings = [house.bind(kept, work) for work in works]
    await house.pass_time(MINUTE)
    house.by_hand(
        f"DELETE FROM triggers WHERE id = {number}",
        f"DELETE FROM bindings WHERE id = {bindings[0]}",
        f"UPDATE bindings SET deleted_at = {BEGIN} WHERE id = {bindings[1]}",
    )
    await house.pass_time(MINUTE)
    assert len(await house.events(number)) == 1
    (_, event) = await house.events(kept)
    assert [one.binding_id for one in await house.results(event)] == [bindings[2]]
    house.by_hand(f"DELETE FROM workloads WHERE id = {works[2]}")
    await house.pass_time(MINUTE)
    (result,) = await house.results((await house.events(kept))[-1])
    assert (result.outcome, result.reason) == (Outcome.MATCH_FAILED, "its workload is gone")


async def test_a_window_that_a_hand_fires_runs_at_once(house: House) -> None:
    number = house.site()
    for on in ("0", "1"):  # due from the start, and switched off before anybody looked
        house.by_hand(f"UPDATE triggers SET enabled = {on} WHERE id = {number}")
        assert await house.sweep()
    (event,) = await house.events(number)
    (result,) = await house.results(event)
    assert result.outcome is Outcome.MATCHED
    assert house.happened.of(EventsAccepted)[-1].events == [event.id]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("workloads", "kind"),
        ("workloads", "queue"),
        ("workloads", "name"),
        ("workloads", "idempotent"),
        ("workloads", "config"),
        ("workloads", "timeout"),
        ("bindings", "rule"),
        ("bindings", "name"),
        ("bindings", "enabled"),
        ("triggers", "name"),
        ("triggers", "kind"),
        ("triggers", "config"),
    ],
)
async def test_a_fire_before_the_next_sweep_meets_what_hands_have_left(
    house: House, table: str, column: str
) -> None:
    button, site = house.trigger("button", "manual"), house.workload("site")
    house.bind(button, site, {"branch": "main"})
    ((good,),) = house.read(f"SELECT quote({column}) FROM {table}")
    assert await house.sweep()
    for value in list(VALUES)[1:]:
        house.by_hand(f"UPDATE {table} SET {column} = {VALUES[value]}")
        (result,) = await house.results(await house.fire(button, branch="main"))
        assert result.outcome in ANSWERS, value
        await house.settle()
        assert await house.sweep()
        await house.fire(button, branch="main")
        house.by_hand(f"UPDATE {table} SET {column} = {good}")
        assert await house.sweep()
        (result,) = await house.results(await house.fire(button, branch="main"))
        assert result.outcome is Outcome.MATCHED, value
        await house.settle()
    assert await house.faults() == []


async def test_a_run_whose_event_was_taken_out_fails_and_says_so(house: House) -> None:
    button = house.trigger("button", "manual")
    house.bind(button, house.workload("site", "noted", file="/dev/null"))
    house.bind(button, house.workload("other"))
    assert await house.sweep()
    await house.fire(button)
    house.unseen("DELETE FROM events")
    await house.settle()
    (run, *_) = await house.runs()
    assert (run.state, run.error) == (RunState.FAILED, "its event was deleted")
