"""What handlers are given, and what they ask of their caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter, SkipValidation

from tinyforge.operations.callers import Permission
from tinyforge.operations.door import Operations

Asks: TypeAlias = Mapping[str, Permission]

READ: Asks = {"permission": Permission.READ}
DEPLOY: Asks = {"permission": Permission.DEPLOY}
CONFIGURE: Asks = {"permission": Permission.CONFIGURE}

Doors: TypeAlias = SkipValidation[NamedDependency[Operations]]
Actor: TypeAlias = NamedDependency[str]
Name: TypeAlias = FromPath[str]
Text: TypeAlias = FromQuery[str | None]
Count: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1_000)]
Seq: TypeAlias = Annotated[int, QueryParameter(ge=-1, le=2**62)]
State: TypeAlias = Annotated[str | None, QueryParameter(name="state")]
From: TypeAlias = Annotated[str | None, QueryParameter(name="from")]
To: TypeAlias = Annotated[str | None, QueryParameter(name="to")]
