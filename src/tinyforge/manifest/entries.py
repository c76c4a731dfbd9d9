"""What a manifest says, typed: its rows before anybody looked at the database."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from tinyforge.clock import DAY, SECOND, Micros
from tinyforge.labels import Labels
from tinyforge.manifest.mistakes import Mistakes
from tinyforge.manifest.syntax import Node
from tinyforge.model import DEFAULT_TIMEOUT, Json, Queue, Retry

VERSION = 1
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
LONGEST_NAME = 63
DEFAULT_NAME = "default"

MANIFEST_KEYS = ("version", "name", "workloads", "triggers", "bindings")
RETRY_KEYS = ("attempts", "backoff")

TIMEOUTS = (SECOND, 7 * DAY)
BACKOFFS = (SECOND, DAY)
MOST_ATTEMPTS = 20


class TriggerEntry(Struct, frozen=True, kw_only=True):
    name: str
    kind: str
    config: Json
    enabled: bool
    endpoint: str | None = None  # as written; only of a kind that receives
    line: int


class WorkloadEntry(Struct, frozen=True, kw_only=True):
    name: str
    kind: str
    config: Json
    queue: Queue = Queue.LATEST
    timeout: Micros = DEFAULT_TIMEOUT
    retry: Retry = Retry()
    idempotent: bool | None = None
    on: Labels = ()
    line: int


class BindingEntry(Struct, frozen=True, kw_only=True):
    name: str
    trigger: str
    workload: str
    rule: Json
    enabled: bool
    line: int
    node: Node  # for mistakes that only the other rows can tell


class Document(Struct, frozen=True, kw_only=True):
    """All that could be understood; where there are *mistakes* no plan can be made from it."""

    name: str
    workloads: Mapping[str, WorkloadEntry]
    triggers: Mapping[str, TriggerEntry]
    bindings: Mapping[str, BindingEntry]
    misread: frozenset[tuple[str, str]]  # (section, name) of rows that are there, with mistakes
    mistakes: Mistakes
    by_api: bool = False  # it is one row that somebody wrote through the API

    @property
    def owner(self) -> str:
        return "api" if self.by_api else f"manifest:{self.name}"
