"""25 kills in the middle of 10,000 windows: each is decided once, and nothing is done twice."""

from __future__ import annotations

import pytest

from tests.replicas.fleet import Fleet
from tests.replicas.storm import Storm
from tests.torture.load import WAVE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KILLS, SEED = 25, 7
IN_WAVE = """
SELECT count(DISTINCT t.id) FROM events e JOIN triggers t ON t.id = e.trigger_id
WHERE t.name LIKE 'wave-%' AND e.window_at >= {}"""


def test_replicas_killed_each_second_lose_nothing_and_double_nothing(empty: Fleet) -> None:
    storm = Storm(empty, say=print)
    storm.begin()
    storm.blow(KILLS, SEED)
    storm.wait_for_wave()
    empty.rest()
    assert empty.findings(was_away=True) == {}
    assert empty.one(IN_WAVE.format(storm.first)) == WAVE
    assert empty.one("SELECT count(*) > 0 FROM attempts WHERE outcome = 'died'")
