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
TRIES = 3
TOKEN = "glpat-0123456789abcdef0123456789abcdef"

Making = Callable[[str], Delivery]
Asks = Mapping[str, Callable[[], object]]


def wrong_at(text: str, place: int) -> str:
    other = "0" if text[place] != "0" else "1"
    return text[:place] + other + text[place + 1 :]


def leak_and_noise(asks: Asks) -> tuple[float, float]:
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


def groups(ask: Callable[[Delivery], object], made: Making, right: str) -> Asks:
    """Give three questions, each with a delivery of its own: memory has a speed, too."""
    first, again, last = (made(wrong_at(right, place)) for place in (0, 0, len(right) - 1))
    return {
        "early": lambda: ask(first),
        "again": lambda: ask(again),
        "late": lambda: ask(last),
    }


def leaks(asks: Asks) -> bool:
    """Say whether every one of a few tries finds a difference; a busy machine makes one at times."""
    for _ in range(TRIES):
        leak, noise = leak_and_noise(asks)
        if leak <= max(LOUDER * noise, RESOLUTION):
            return False
    return True


def github(signature: str) -> Delivery:
    return sent(body=BODY, headers={"x-hub-signature-256": f"sha256={signature}"})


def test_security_row_8_a_signature_is_refused_in_the_same_time_wherever_it_is_wrong() -> None:
    kind = GitHub(secret=SECRET)
    right = hex_of(SECRET, BODY)
    assert refused(kind.verify(github(wrong_at(right, 63))))[0] == 401

    assert not leaks(groups(kind.verify, github, right))


@pytest.mark.parametrize(
    ("kind", "header"),
    [(GitLab(secret=TOKEN), "x-gitlab-token"), (Harbor(secret=TOKEN), "authorization")],
    ids=["gitlab", "harbor"],
)
def test_security_row_8_a_token_is_refused_in_the_same_time_wherever_it_is_wrong(
    kind: GitLab | Harbor, header: str
) -> None:
    def made(token: str) -> Delivery:
        return sent(body=BODY, headers={header: token})

    assert refused(kind.verify(made(wrong_at(TOKEN, len(TOKEN) - 1))))[0] == 401

    assert not leaks(groups(kind.verify, made, TOKEN))


def test_the_measurement_finds_a_comparison_that_ends_at_the_first_difference() -> None:
    def naive(given: Delivery) -> bool:
        token = given.headers["authorization"]
        return all(one == other for one, other in zip(token, TOKEN, strict=True))

    def made(token: str) -> Delivery:
        return sent(body=BODY, headers={"authorization": token})

    assert leaks(groups(naive, made, TOKEN))
