"""The facts of an event, as its changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from tinyforge.changes import Change
from tinyforge.model import Json

DEEPEST = 64  # levels of a payload; what evaluates expressions crashes at some thousands


class Reading:
    """What came with one event, read once however many bindings look at it."""

    def __init__(self, facts: Json, usual_event: str) -> None:
        """Take facts that a person gave with a fire as one change, a *usual_event* if not said."""
        self.changes: Sequence[Change] = ()
        self.problem = ""
        self.payload = facts.get("payload", {})
        listed = facts.get("changes")
        if listed is None:
            given = {key: value for key, value in facts.items() if value is not None}
            listed = [{"event": usual_event, **given}]
        try:
            self.changes = msgspec.convert(listed, list[Change])
        except msgspec.ValidationError as problem:
            self.problem = f"its facts are no changes: {problem}"

    @cached_property
    def is_too_deep(self) -> bool:
        """Say whether the payload is nested deeper than an expression may look."""
        level = [self.payload]
        for _ in range(DEEPEST):
            level = [inner for one in level for inner in _inside(one)]
            if not level:
                return False
        return True


class _Latest(NamedTuple):
    facts: Json
    usual_event: str
    reading: Reading


class Readings:
    """Keeps the newest: the bindings of an event are judged one after the other."""

    def __init__(self) -> None:
        self._latest: _Latest | None = None

    def of(self, facts: Json, usual_event: str) -> Reading:
        latest = self._latest
        if latest and latest.facts is facts and latest.usual_event == usual_event:
            return latest.reading
        reading = Reading(facts, usual_event)
        self._latest = _Latest(facts, usual_event, reading)
        return reading


def _inside(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []
