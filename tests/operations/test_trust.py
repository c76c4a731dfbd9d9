"""`verify` and `doctor` on a real file: quiet where all is well, and loud where it is not."""

from __future__ import annotations

import pytest

from tests.operations.house import BEGIN, ME, SITE, House, open_house
from tinyforge.clock import HOUR, MINUTE, SECOND, rfc3339
from tinyforge.operations.answers import CheckView

PLANTED = {
    "an event deleted": "DELETE FROM events WHERE window_at = {20 min}",
    "a window doubled": (
        "INSERT INTO events SELECT id + 1, trigger_id, epoch, window_at + 1, key, accepted_at,"
        " last_at, folded, folded_from, revision_id, actor, facts, ruleless, tries, fanned_at"
        " FROM events WHERE window_at = {20 min}"
    ),
    "a span cut": "UPDATE spans SET until_at = until_at - 600000000, count = count - 1",
    "results removed": "DELETE FROM runs WHERE event_id IN (SELECT id FROM events)",
    "last_fired_at moved": "UPDATE events SET last_at = last_at + 60000000 WHERE window_at = {20 min}",
}


async def live(house: House) -> None:
    """Fire a few times, on time and late, with a pause, an edit and a skip in between."""
    await house.apply()
    await house.pass_time(0)
    for _ in range(3):
        await house.pass_time(10 * MINUTE)
    await house.doors.triggers.pause("often", ME)
    await house.pass_time(HOUR)
    await house.doors.triggers.resume("often", ME)
    await house.pass_time(10 * MINUTE)
    house.clock.advance(25 * MINUTE)
    await house.apply(SITE.replace("interval: 10m", "interval: 20m"))
    await house.pass_time(HOUR)
    await house.doors.firing.fire("button", {"branch": "dev"}, ME)


async def test_verify_finds_nothing_where_all_is_well(house: House) -> None:
    await live(house)
    view = await house.doors.verify.verify(ME)
    assert (view.ok, list(view.faults), list(view.open)) == (True, [], [])
    assert (view.checked.triggers, view.checked.epochs) == (2, 3)
    assert view.checked.windows > view.checked.events > 5


@pytest.mark.parametrize("fault", list(PLANTED))
async def test_verify_finds_what_was_planted(house: House, fault: str) -> None:
    await live(house)
    house.by_hand(PLANTED[fault].replace("{20 min}", str(BEGIN + 20 * MINUTE)))
    view = await house.doors.verify.verify(ME)
    assert not view.ok
    assert {one.trigger for one in view.faults} <= {"often", "button", "nightly"}
    assert view.next_command.startswith(("tinyforge explain often", "tinyforge event show evt_"))


async def test_verify_of_one_trigger_leaves_the_others_alone(house: House) -> None:
    await live(house)
    house.by_hand(PLANTED["an event deleted"].replace("{20 min}", str(BEGIN + 20 * MINUTE)))
    assert not (await house.doors.verify.verify(ME, "often")).ok
    assert (await house.doors.verify.verify(ME, "nightly")).ok


async def test_a_window_that_waits_is_a_fault_only_after_two_ticks_of_a_server(
    house: House,
) -> None:
    await house.apply()
    await house.pass_time(0)
    house.clock.advance(10 * MINUTE + 59 * SECOND)
    early = await house.doors.verify.verify(ME)
    assert (early.ok, [one.trigger for one in early.open]) == (True, ["often"])
    house.clock.advance(2 * SECOND)
    late = await house.doors.verify.verify(ME)
    assert not late.ok
    assert late.open[0].oldest == rfc3339(BEGIN + 10 * MINUTE)


async def test_without_a_server_a_window_that_waits_is_no_fault(
    house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with open_house(tmp_path_factory.mktemp("resting"), live=False) as resting:
        await resting.apply()
        resting.clock.advance(HOUR)
        view = await resting.doors.verify.verify(ME)
        assert view.ok
        assert [one.trigger for one in view.open] == ["often"]


async def checks(house: House) -> dict[str, CheckView]:
    return {check.name: check for check in (await house.doors.doctor.examine(ME)).checks}


async def test_doctor_is_content_with_a_healthy_house(house: House) -> None:
    house.folder.chmod(0o700)
    (house.folder / "tinyforge.db").chmod(0o600)
    await live(house)
    view = await house.doors.doctor.examine(ME)
    assert [check for check in view.checks if check.verdict == "fail"] == []
    assert all(check.fix for check in view.checks if check.verdict != "ok")


async def test_doctor_names_what_is_broken_and_how_it_is_mended(house: House) -> None:
    await house.apply()
    house.by_hand("UPDATE triggers SET config = '{}' WHERE name = 'often'")
    await house.pass_time(0)
    broken = (await checks(house))["trigger often"]
    assert broken.verdict == "fail"
    assert "manifest named default" in broken.fix


async def test_doctor_sees_files_that_others_can_read(house: House) -> None:
    (house.folder / "tinyforge.db").chmod(0o644)
    house.folder.chmod(0o700)
    seen = (await checks(house))["files"]
    assert (seen.verdict, seen.fix) == ("warn", f"chmod 600 {house.folder / 'tinyforge.db'}")


async def test_doctor_sees_a_clock_that_was_set_back(house: House) -> None:
    await house.store.mark(house.clock.now())
    house.clock.advance(-HOUR)
    seen = (await checks(house))["clock"]
    assert seen.verdict == "fail"
    assert "1 h behind" in seen.what


async def test_doctor_sees_a_reference_without_a_value(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANTED", "here")
    text = 'version: 1\nworkloads: {w: {kind: http, url: "https://example.org/${env:WANTED}"}}\n'
    await house.apply(text)
    assert "workload w" not in await checks(house)
    monkeypatch.delenv("WANTED")
    seen = (await checks(house))["workload w"]
    assert (seen.verdict, "WANTED" in seen.what) == ("fail", True)


async def test_doctor_sees_windows_that_nobody_decides(house: House) -> None:
    await house.apply()
    house.clock.advance(HOUR)
    assert (await checks(house))["windows"].verdict == "fail"


async def test_health_counts_what_is_there(house: House) -> None:
    await house.apply()
    view = await house.doors.health.show(ME)
    assert (view.serving, view.ready, view.version) == (True, True, "1.0")
    assert view.counts.triggers == {"manual": 1, "schedule": 2}
    await house.pass_time(0)
    assert (await house.doors.health.show(ME)).counts.oldest_undecided is None
    house.clock.advance(HOUR)
    due = rfc3339(BEGIN + 10 * MINUTE)
    assert (await house.doors.health.show(ME)).counts.oldest_undecided == due
