from __future__ import annotations

import random

import pytest

from tests.operations.house import BEGIN, ME, SITE, House
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, Moment, rfc3339
from tinyforge.operations.answering import length
from tinyforge.operations.answers import ExplainView

OFFSET = 250_000  # of a creation that is no whole second


async def explain(house: House, at: Moment | None = None, name: str = "often") -> ExplainView:
    view = await house.doors.explain.explain(name, ME, at)
    assert view.words
    assert view.next_command.startswith("tinyforge ")
    return view


async def test_a_window_that_fired_is_told_with_its_runs(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    view = await explain(house, BEGIN)
    assert view.verdict == "fired"
    assert view.event is not None
    assert [result.workload for result in view.event.results] == ["site"]
    assert view.event.event.id in view.words
    assert "site: run_" in view.words
    assert view.next_command.startswith("tinyforge run logs")


async def test_windows_that_a_late_fire_stands_for_are_folded(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    await house.pass_time(45 * MINUTE)
    newest, folded = BEGIN + 40 * MINUTE, BEGIN + 20 * MINUTE
    assert "5 min late" in (await explain(house, newest)).words
    view = await explain(house, folded)
    assert view.verdict == "folded"
    assert rfc3339(newest) in view.words
    assert "only the newest fires" in view.words


async def test_a_moment_between_folded_windows_was_never_a_window(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    await house.pass_time(45 * MINUTE)
    view = await explain(house, BEGIN + 21 * MINUTE)
    assert view.verdict == "not_a_window"
    assert view.nearest_before == rfc3339(BEGIN + 20 * MINUTE)
    assert view.nearest_after == rfc3339(BEGIN + 30 * MINUTE)
    assert view.next_command == f"tinyforge explain often {view.nearest_before}"
    assert "the nearest is" in view.words


async def test_a_free_interval_counts_from_the_fire_before(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    await house.pass_time(13 * MINUTE)  # 3 minutes late: it now counts from here
    await house.pass_time(10 * MINUTE)
    assert (await explain(house, BEGIN + 20 * MINUTE)).verdict == "not_a_window"
    assert (await explain(house, BEGIN + 23 * MINUTE)).verdict == "fired"


@pytest.mark.parametrize("of", ["catch_up: skip", "max_late: 1m"])
async def test_a_window_skipped_as_late_says_so(house: House, of: str) -> None:
    await house.apply(SITE.replace("interval: 10m", f"interval: 10m, {of}"))
    await house.pass_time(0)
    await house.pass_time(15 * MINUTE)
    view = await explain(house, BEGIN + 10 * MINUTE)
    assert view.verdict == "skipped"
    assert view.span is not None
    assert (view.span.reason, view.span.count) == ("late", 1)
    assert "too late to fire" in view.words


async def test_a_window_passed_in_a_pause_says_which_switch_to_turn(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    await house.doors.triggers.pause("often", ME)
    await house.pass_time(25 * MINUTE)
    resting = await explain(house, BEGIN + 10 * MINUTE)
    assert (resting.verdict, resting.next_command) == ("resting", "tinyforge trigger resume often")
    await house.doors.triggers.resume("often", ME)
    skipped = await explain(house, BEGIN + 10 * MINUTE)
    assert skipped.verdict == "skipped"
    assert "paused" in skipped.words


async def test_an_edit_supersedes_what_had_passed_and_explains_both_sides(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    house.clock.advance(15 * MINUTE)
    await house.apply(SITE.replace("interval: 10m", "interval: 20m"))
    await house.pass_time(15 * MINUTE)
    before = await explain(house, BEGIN + 10 * MINUTE)
    assert (before.verdict, before.span and before.span.reason) == ("skipped", "superseded")
    assert (await explain(house, BEGIN + 20 * MINUTE)).verdict == "fired"
    between = await explain(house, BEGIN + 14 * MINUTE)
    assert between.nearest_after == rfc3339(BEGIN + 20 * MINUTE)


async def test_a_window_to_come_and_one_that_waits_for_a_sweep(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    coming = await explain(house, BEGIN + 10 * MINUTE)
    assert (coming.verdict, "in 10 min" in coming.words) == ("future", True)
    house.clock.advance(11 * MINUTE)
    waiting = await explain(house, BEGIN + 10 * MINUTE)
    assert (waiting.verdict, waiting.next_command) == ("undecided", "tinyforge doctor")


async def test_a_moment_before_the_schedule_was_there(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    view = await explain(house, BEGIN - DAY)
    assert view.verdict == "not_a_window"
    assert "was not there yet" in view.words


async def test_decisions_that_are_gone_are_said_to_be_gone(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    await house.pass_time(10 * MINUTE)
    house.by_hand("UPDATE triggers SET proved_from = ? WHERE name = 'often'", BEGIN)
    house.by_hand("DELETE FROM events WHERE window_at = ?", BEGIN)
    view = await explain(house, BEGIN)
    assert view.verdict == "not_kept"
    assert f"not kept before {rfc3339(BEGIN)}" in view.words


async def test_a_window_without_a_decision_sends_to_verify(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    await house.pass_time(10 * MINUTE)
    house.by_hand("DELETE FROM events WHERE window_at = ?", BEGIN + 10 * MINUTE)
    view = await explain(house, BEGIN + 10 * MINUTE)
    assert (view.verdict, view.next_command) == ("missing", "tinyforge verify often")


async def test_whole_seconds_find_a_window_that_lies_between_them(house: House) -> None:
    house.clock.advance(OFFSET)
    await house.apply()
    await house.pass_time(0)
    view = await explain(house, BEGIN)
    assert (view.verdict, view.asked) == ("fired", rfc3339(BEGIN + OFFSET))


async def test_cron_windows_are_found_in_their_zone(house: House) -> None:
    await house.apply()
    three_in_berlin = BEGIN + 14 * HOUR
    coming = await explain(house, three_in_berlin, "nightly")
    assert coming.verdict == "future"
    await house.pass_time(14 * HOUR)
    assert (await explain(house, three_in_berlin, "nightly")).verdict == "fired"
    assert (await explain(house, three_in_berlin + MINUTE, "nightly")).verdict == "not_a_window"


async def test_the_last_decisions_lead_to_the_newest_of_them(house: House) -> None:
    await house.apply()
    await house.pass_time(0)
    fired = await explain(house)
    assert fired.next_command == f"tinyforge explain often {rfc3339(BEGIN)}"
    house.clock.advance(MINUTE)
    by_hand = await house.doors.firing.fire("often", None, ME)
    assert (await explain(house)).next_command == f"tinyforge event show {by_hand.event}"


async def test_what_has_no_windows_says_so(house: House) -> None:
    await house.apply()
    await house.doors.firing.fire("button", None, ME)
    view = await explain(house, None, "button")
    assert (view.verdict, view.next_command) == ("no_windows", "tinyforge trigger fire button")
    (line,) = view.decisions
    assert line.words.startswith(f"by {ME.actor}: site: run_")
    asked = await explain(house, BEGIN, "button")
    assert asked.event is not None
    assert asked.event.event.id == line.event


async def test_a_row_put_in_broken_tells_why(house: House) -> None:
    house.by_hand(
        "INSERT INTO triggers(id, name, kind, config) VALUES (7, 'odd', 'schedule', ?)",
        '{"interval": "soon"}',
    )
    assert (await explain(house, name="odd")).verdict == "unplanned"
    await house.pass_time(0)
    view = await explain(house, BEGIN, "odd")
    assert view.verdict == "broken"
    assert "soon" in view.words


async def test_without_a_moment_it_tells_the_last_decisions_and_the_next_window(
    house: House,
) -> None:
    await house.apply(SITE.replace("interval: 10m", "interval: 10m, catch_up: skip"))
    await house.pass_time(0)
    await house.pass_time(15 * MINUTE)
    await house.pass_time(5 * MINUTE)
    view = await explain(house)
    assert view.verdict == "summary"
    assert [line.verdict for line in view.decisions] == ["fired", "skipped", "fired"]
    assert view.due_at == rfc3339(BEGIN + 30 * MINUTE)
    assert view.next_command == f"tinyforge explain often {rfc3339(BEGIN + 20 * MINUTE)}"


@pytest.mark.parametrize("seed", range(8))
async def test_after_any_life_every_decision_is_explained_as_what_it_is(
    house: House, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    await house.apply()
    for _ in range(25):
        await house.pass_time(chance.choice((SECOND, 7 * MINUTE, 10 * MINUTE, 45 * MINUTE)))
        match chance.randrange(6):
            case 0:
                await house.doors.triggers.pause("often", ME)
            case 1 | 2:
                await house.doors.triggers.resume("often", ME)
            case 3:
                every = chance.choice(("10m", "15m", "10m, catch_up: skip", "20m, spread: 5m"))
                await house.apply(SITE.replace("interval: 10m", f"interval: {every}"))
            case _:
                await house.doors.firing.fire("often", None, ME)
    trigger, _ = await house.store.trigger_named("often")
    (kept,) = [one for one in await house.store.histories(None, 10) if one.trigger_id == trigger.id]
    for row in kept.fired:
        assert (await explain(house, row.window)).verdict == "fired"
        if row.folded_from is not None:
            assert (await explain(house, row.folded_from)).verdict == "folded"
    for span in kept.spans:
        assert (await explain(house, span.oldest)).verdict == "skipped"
        assert (await explain(house, span.newest)).verdict == "skipped"
    for at in range(BEGIN - HOUR, house.clock.now() + HOUR, 13 * MINUTE):
        assert (await explain(house, at)).verdict != "missing"
    assert (await house.doors.verify.verify(ME)).ok


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, "0 ms"),
        (1_500, "2 ms"),
        (90 * SECOND, "1 min 30 s"),
        (2 * HOUR + 5 * MINUTE + SECOND, "2 h 5 min"),
        (DAY, "1 d"),
    ],
)
def test_lengths_are_told_in_two_units(micros: int, words: str) -> None:
    assert length(micros) == words
