"""A cron expression as people write it, in one plain spelling for all that mean the same."""

from __future__ import annotations

import re
from functools import lru_cache

from cronsim import CronSim, CronSimError
from cronsim.cronsim import RANGES, Field

from tinyforge.clock import EPOCH
from tinyforge.schedule.quoting import quoted

NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
NAMES = {
    Field.MINUTE: "minute",
    Field.HOUR: "hour",
    Field.DAY: "day of month",
    Field.MONTH: "month",
    Field.DOW: "day of week",
}
VALUES = {field: RANGES[field] for field in NAMES} | {Field.DOW: range(7)}  # Sunday once
LONGEST_TEXT = 500
WEEK = 7


@lru_cache(10_000)  # a manifest is read, planned and compiled, and fields are alike
def plain(text: str) -> str:
    """Return *text* as five plain fields; ValueError where it makes no sense or never comes."""
    if len(text) > LONGEST_TEXT or not text.isascii():
        raise ValueError(f"{quoted(text)} is not a cron expression; write it like 0 3 * * *")
    fields = _expanded(text).upper().split()
    if len(fields) != len(NAMES):
        advice = "leave the seconds out" if len(fields) == len(NAMES) + 1 else "write 0 3 * * *"
        raise ValueError(f"{quoted(text)} has {len(fields)} fields, not exactly 5; {advice}")
    expression = " ".join(map(_plain_field, NAMES, fields))
    _refuse_impossible(expression)
    return expression


def _expanded(text: str) -> str:
    nickname = text.strip().lower()
    if nickname.startswith("@") and nickname not in NICKNAMES:
        raise ValueError(f"{quoted(text)} is not one of {', '.join(sorted(NICKNAMES))}")
    return NICKNAMES.get(nickname, text)


@lru_cache(10_000)
def _plain_field(field: Field, text: str) -> str:
    _refuse_long_step(field, text)
    try:
        items = field.parse(text)
    except (CronSimError, ValueError) as problem:
        raise ValueError(f"bad {NAMES[field]} {quoted(text)}; {_allowed(field)}") from problem
    numbers = {_sunday_is_0(field, n) for n in items if isinstance(n, int) and n >= 0}
    words = sorted(_word(item) for item in items if not isinstance(item, int) or item < 0)
    starred = _starred(field, numbers) if text.startswith("*") else []
    rest = numbers.difference(*(_stepped(field, star) for star in starred))
    return "*" if starred == ["*"] else ",".join([*starred, *map(str, sorted(rest)), *words])


def _starred(field: Field, numbers: set[int]) -> list[str]:
    """Keep a leading star, which has a meaning of its own: the one with the smallest step."""
    steps = range(1, len(VALUES[field]) + 1)
    smallest = next(step for step in steps if numbers.issuperset(VALUES[field][::step]))
    return ["*" if smallest == 1 else f"*/{smallest}"]


def _stepped(field: Field, star: str) -> range:
    return VALUES[field][:: int(star[2:] or 1)]


def _word(item: int | tuple[int, int]) -> str:
    """Spell what is no number: `L`, `LW`, `5L` and `5#2`."""
    if isinstance(item, int):
        return "L" if item == CronSim.LAST else "LW"
    day, nth = item
    return f"{day % WEEK}L" if nth == CronSim.LAST else f"{day % WEEK}#{nth}"


def _sunday_is_0(field: Field, number: int) -> int:
    return number % WEEK if field is Field.DOW else number


def _refuse_long_step(field: Field, text: str) -> None:
    for step in re.findall(r"/0*([0-9]{1,3})", text):
        if int(step) > len(VALUES[field]):
            longest = f"1 to {len(VALUES[field])}"
            raise ValueError(f"{NAMES[field]} {quoted(text)} steps too far; a step is {longest}")


def _allowed(field: Field) -> str:
    first, last = RANGES[field][0], RANGES[field][-1]
    return f"it takes {first} to {last}, *, lists, ranges and steps"


def _refuse_impossible(expression: str) -> None:
    try:
        next(CronSim(expression, EPOCH))
    except (CronSimError, StopIteration) as problem:
        raise ValueError(f"{quoted(expression)} never comes; correct day and month") from problem
