"""Trigger kind `tide`, fired by hand with the fact `metres`."""

from __future__ import annotations

from dataclasses import dataclass

from tinyforge.kinds import MATCHED, Match, Matcher, TriggerKind
from tinyforge.model import Event, Json


@dataclass(frozen=True, kw_only=True)
class Tide(TriggerKind):
    harbour: str

    def __post_init__(self) -> None:
        if not self.harbour:
            raise ValueError("harbour: name one")

    def matcher(self, rule: Json) -> Matcher:
        least = rule.get("at_least", 0)
        if rule.keys() - {"at_least"} or not isinstance(least, int):
            raise ValueError("a rule is at_least: METRES")

        def match(event: Event) -> Match:
            metres = event.facts.get("metres")
            if isinstance(metres, int) and metres >= least:
                return MATCHED
            return Match(False, f"{metres!r} is not at least {least} metres in {self.harbour}")

        return match
