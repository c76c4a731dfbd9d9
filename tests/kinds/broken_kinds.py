"""Kinds that nobody should be able to use, and one that is awkward to configure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from tinyforge.kinds import TriggerKind


@dataclass(frozen=True, kw_only=True)
class Tomorrow(TriggerKind):
    api: ClassVar[int] = 2


class Naked(TriggerKind):
    pass


@dataclass(kw_only=True)
class Melted(TriggerKind):
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Riddle(TriggerKind):
    answer: "Unheard"  # noqa: F821, UP037


@dataclass(frozen=True, kw_only=True)
class Awkward(TriggerKind):
    colour: Annotated[Literal["red", "green"], Meta(description="what it shines in")]
    sizes: dict[str, int] | None = None
    names: tuple[str, ...] = ()
    count: Annotated[int, Meta(ge=1)] = 1
    loud: bool = False

    def __post_init__(self) -> None:
        if self.loud and self.count > 1:
            raise ValueError("loud: only once\ncount: not when loud")
        if self.names == ("crash",):
            raise KeyError("names")


ASKED = count(1)


@dataclass(frozen=True, kw_only=True)
class Moody(TriggerKind):
    """Refuses once what it takes ever after."""

    def __post_init__(self) -> None:
        if next(ASKED) == 1:
            raise ValueError("not in the mood")


NOT_A_KIND = 42
