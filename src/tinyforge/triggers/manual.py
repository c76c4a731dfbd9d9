"""Trigger kind `manual`: nothing happens by itself; a person or a program fires it."""

from __future__ import annotations

from dataclasses import dataclass

from tinyforge.kinds import TriggerKind


@dataclass(frozen=True, kw_only=True)
class Manual(TriggerKind):
    """Has no fields; a binding's rule is held against the facts given with the fire."""
