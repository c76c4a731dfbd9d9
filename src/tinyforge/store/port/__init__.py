"""What the house needs from a database, by role.

Every method is one transaction; every moment is passed in, never asked for. A method that cannot
record raises StoreUnavailable and has changed nothing.
"""

from __future__ import annotations

from typing import Protocol

from tinyforge.store.port.config import (
    BindingWrite,
    BrokenMark,
    Catalog,
    Config,
    ConfigChange,
    Inspected,
    Timing,
    TimingWrite,
    TriggerWrite,
    Unplanned,
    What,
    WorkloadWrite,
)
from tinyforge.store.port.history import (
    EpochRow,
    EventFilter,
    FiredRow,
    History,
    LogChunk,
    MissingResult,
    RunFilter,
    SpanRow,
    TriggerHistory,
)
from tinyforge.store.port.hot import (
    Advance,
    Due,
    Events,
    FanOutBatch,
    FanOutDone,
    Known,
    Matched,
    Route,
    Routes,
    Schedules,
    Skip,
    TakenRun,
    Unmatched,
    WindowsRepeated,
)
from tinyforge.store.port.replicas import (
    Abilities,
    Elsewhere,
    LongTransaction,
    Replica,
    Replicas,
    Strain,
    TableRows,
)
from tinyforge.store.port.runs import Dead, Finished, Lives, LogPart, Places, Runs, Turn
from tinyforge.store.port.upkeep import Counts, Limits, Swept, Upkeep

__all__ = [
    "Abilities",
    "Advance",
    "BindingWrite",
    "BrokenMark",
    "Catalog",
    "Config",
    "ConfigChange",
    "Counts",
    "Dead",
    "Due",
    "Elsewhere",
    "EpochRow",
    "EventFilter",
    "Events",
    "FanOutBatch",
    "FanOutDone",
    "Finished",
    "FiredRow",
    "History",
    "Inspected",
    "Known",
    "Limits",
    "Lives",
    "LogChunk",
    "LogPart",
    "LongTransaction",
    "Matched",
    "MissingResult",
    "Places",
    "Replica",
    "Replicas",
    "Route",
    "Routes",
    "RunFilter",
    "Runs",
    "Schedules",
    "Skip",
    "SpanRow",
    "Store",
    "Strain",
    "Swept",
    "TableRows",
    "TakenRun",
    "Timing",
    "TimingWrite",
    "TriggerHistory",
    "TriggerWrite",
    "Turn",
    "Unmatched",
    "Unplanned",
    "Upkeep",
    "What",
    "WindowsRepeated",
    "WorkloadWrite",
]


class Store(Config, History, Schedules, Events, Runs, Lives, Replicas, Upkeep, Protocol):
    """All roles, as one database serves them."""
