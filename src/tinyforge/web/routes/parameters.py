"""What handlers are given, and what they ask of their caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from litestar.di import NamedDependency
from litestar.params import (
    FromPath,
    FromQuery,
    HeaderParameter,
    PathParameter,
    QueryParameter,
    SkipValidation,
)

from tinyforge.operations.callers import Caller, Permission
from tinyforge.operations.door import Operations
from tinyforge.operations.runs import RUN_WORDS
from tinyforge.operations.views import TRIGGER_STATES

Asks: TypeAlias = Mapping[str, object]

READ: Asks = {"permission": Permission.READ}
DEPLOY: Asks = {"permission": Permission.DEPLOY}
CONFIGURE: Asks = {"permission": Permission.CONFIGURE}

Doors: TypeAlias = SkipValidation[NamedDependency[Operations]]
Asker: TypeAlias = SkipValidation[NamedDependency[Caller]]

Name: TypeAlias = FromPath[str]
RowName: TypeAlias = Annotated[str, PathParameter(description="a name such as `nightly`")]
EventId: TypeAlias = Annotated[str, PathParameter(description="`evt_` and 13 characters")]
RunId: TypeAlias = Annotated[str, PathParameter(description="`run_` and 13 characters")]

Text: TypeAlias = FromQuery[str | None]
Count: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1_000, description="at most so many")]
Seq: TypeAlias = Annotated[
    int, QueryParameter(ge=-1, le=2**62, description="the `next` of the part before")
]
Kind: TypeAlias = Annotated[str | None, QueryParameter(description="only of this kind")]
OfTrigger: TypeAlias = Annotated[str | None, QueryParameter(description="only of this trigger")]
OfWorkload: TypeAlias = Annotated[str | None, QueryParameter(description="only of this workload")]
OfEvent: TypeAlias = Annotated[str | None, QueryParameter(description="only of this event")]
TriggerBeing: TypeAlias = Annotated[
    str | None, QueryParameter(name="state", enum=TRIGGER_STATES, description="only in this state")
]
RunBeing: TypeAlias = Annotated[
    str | None, QueryParameter(name="state", enum=RUN_WORDS, description="only in this state")
]
Enabled: TypeAlias = Annotated[
    str | None, QueryParameter(enum=("true", "false"), description="only those switched so")
]
WithEndpoints: TypeAlias = Annotated[
    str | None,
    QueryParameter(enum=("true", "false"), description="write those that are secrets too"),
]
Before: TypeAlias = Annotated[
    str | None, QueryParameter(description="the `next` of the page before: older ones follow")
]
After: TypeAlias = Annotated[
    str | None, QueryParameter(description="the `next` of the page before: names behind it follow")
]
Since: TypeAlias = Annotated[
    str | None, QueryParameter(format="date-time", description="of this moment or later")
]
Until: TypeAlias = Annotated[
    str | None, QueryParameter(format="date-time", description="of before this moment")
]
AfterMoment: TypeAlias = Annotated[
    str | None,
    QueryParameter(name="after", format="date-time", description="later than this; else than now"),
]
At: TypeAlias = Annotated[
    str | None, QueryParameter(format="date-time", description="the moment that is asked about")
]
From: TypeAlias = Annotated[
    str | None, QueryParameter(name="from", format="date-time", description="else now")
]
To: TypeAlias = Annotated[
    str | None, QueryParameter(name="to", format="date-time", description="else a day later")
]
Wait: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description="answer when all its runs are over, or after this long; at most `15m`",
        schema_extra={"examples": ["5m"]},
    ),
]
Detach: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        enum=("true", "false"), description="take it away from the manifest that it belongs to"
    ),
]
IfMatch: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        max_length=255,
        description="the ETag of the version that this changes, or `*` for whatever is there",
    ),
]
IdempotencyKey: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="a second call with the same key answers with the first one's event",
    ),
]
LastEventId: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        max_length=255,
        description="the id of the last message that was heard: what came after it follows",
    ),
]
