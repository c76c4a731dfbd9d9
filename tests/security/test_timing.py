"""How long a refusal takes must not tell how much of a proof was right."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from statistics import median

import pytest

from tests.inbound.sending import SECRET, hex_of, refused, sent
from tinyforge.deliveries import Delivery
from tinyforge.triggers.github import GitHub
from tinyforge.triggers.gitlab import GitLab
from tinyforge.triggers.harbor import Harbor

BODY = b'{"ref": "refs/heads/main"}'
ROUNDS = 10
SAMPLES = 3_400  # of each of three groups in a round: 102,000 in all
RESOLUTION = 15  # nanoseconds; less cannot be told from a clock's own steps
LOUDER = 3  # times the noise
TOKEN = "glpat-0123456789abcdef0123456789abcdef"


def wrong_at(text: str, place: int) -> str:
    other = "0" if text[place] != "0" else "1"
    return text[:place] + other + text[place + 1 :]


def leak_and_noise(asks: Mapping[str, Callable[[], object]]) -> tuple[float, float]:
    """Return how far the medians of early and late lie apart, and those of early and early."""
    chance = random.Random(8)  # noqa: S311 - an order that is the same every time
    order = [name for name in asks for _ in range(SAMPLES)]
    leaks, noises = [], []
    for _ in range(ROUNDS):
        chance.shuffle(order)
        took: dict[str, list[int]] = {name: [] for name in asks}
        for name in order:
            ask, begin = asks[name], time.perf_counter_ns()
            ask()
            took[name].append(time.perf_counter_ns() - begin)
        early, again, late = (median(took[name]) for name in ("early", "again", "late"))
        leaks.append(late - early)
        noises.append(abs(again - early))
    return abs(median(leaks)), max(noises)


def groups(ask: Callable[[str], object], right: str) -> dict[str, Callable[[], object]]:
    first, last = wrong_at(right, 0), wrong_at(right, len(right) - 1)
    return {
        "early": lambda: ask(first),
        "again": lambda: ask(first),
        "late": lambda: ask(last),
    }


def leaks(ask: Callable[[str], object], right: str) -> bool:
    leak, noise = leak_and_noise(groups(ask, right))
    return leak > max(LOUDER * noise, RESOLUTION)


def github(signature: str) -> Delivery:
    return sent(body=BODY, headers={"x-hub-signature-256": f"sha256={signature}"})


def test_security_row_8_a_signature_is_refused_in_the_same_time_wherever_it_is_wrong() -> None:
    kind = GitHub(secret=SECRET)
    right = hex_of(SECRET, BODY)
    made = {one: github(one) for one in (wrong_at(right, 0), wrong_at(right, 63))}
    assert all(refused(kind.verify(one))[0] == 401 for one in made.values())

    assert not leaks(lambda signature: kind.verify(made[signature]), right)


@pytest.mark.parametrize(
    ("kind", "header"),
    [(GitLab(secret=TOKEN), "x-gitlab-token"), (Harbor(secret=TOKEN), "authorization")],
    ids=["gitlab", "harbor"],
)
def test_security_row_8_a_token_is_refused_in_the_same_time_wherever_it_is_wrong(
    kind: GitLab | Harbor, header: str
) -> None:
    made = {
        one: sent(body=BODY, headers={header: one})
        for one in (wrong_at(TOKEN, 0), wrong_at(TOKEN, len(TOKEN) - 1))
    }
    assert all(refused(kind.verify(one))[0] == 401 for one in made.values())

    assert not leaks(lambda token: kind.verify(made[token]), TOKEN)


def test_the_measurement_finds_a_comparison_that_ends_at_the_first_difference() -> None:
    def naive(given: str) -> bool:
        return all(one == other for one, other in zip(given, TOKEN, strict=True))

    assert leaks(naive, TOKEN)
