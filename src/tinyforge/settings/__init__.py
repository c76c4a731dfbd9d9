"""Environment and flags → settings, typed. All mistakes at once, each with its fix."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct, convert, field

from tinyforge.clock import DAY, SECOND, Micros
from tinyforge.errors import InvalidSettings
from tinyforge.labels import Labels, read_labels
from tinyforge.references import Allowance
from tinyforge.settings.reading import (
    LONGEST_KEPT,
    Listen,
    choice,
    length,
    read_base_url,
    read_database,
    read_length,
    read_listen,
    read_names,
    read_networks,
    read_path,
    read_rate,
    read_switch,
    read_text,
    read_web_address,
    whole,
)
from tinyforge.sizes import read_size

__all__ = [
    "BY_NAME",
    "BY_VARIABLE",
    "SETTINGS",
    "Listen",
    "LogFormat",
    "LogLevel",
    "Outbound",
    "Setting",
    "Settings",
    "data_folder",
    "database_address",
    "deploys_at_once",
    "misspelt",
    "read_database",
    "read_settings",
]

PREFIX = "TINYFORGE_"
KEY = "key"  # in the data folder
# what a command that we run finds in its environment: `tinyforge` may be called from there
GIVEN_TO_RUNS = ("RUN_ID", "ATTEMPT", "WORKLOAD", "TRIGGER")
GIVEN_OF_EVENTS = "EVENT_"

MOST_AT_ONCE = 10_000
MOST_KEPT = 1_000_000
LONGEST_GRACE = 3_600 * SECOND

Value: TypeAlias = object


class LogFormat(StrEnum):
    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Outbound(StrEnum):
    ALL = "all"
    PUBLIC = "public"


def deploys_at_once() -> int:
    return max(8, 4 * (os.cpu_count() or 1))


class Settings(Struct, frozen=True, kw_only=True):
    """What `serve` goes by. Lengths of time are microseconds, sizes bytes."""

    data: Path = Path("tinyforge-data")
    database: str | None = None
    config: Path | None = None
    key_file: Path | None = None
    secret_names: tuple[str, ...] = ()
    secret_dir: Path | None = None
    labels: Labels = ()
    listen: Listen = Listen("127.0.0.1", 8270)
    strict: bool = False
    tick_interval: Micros = 30 * SECOND
    concurrency: int = field(default_factory=deploys_at_once)
    catch_up_rate: float | None = None
    grace: Micros = 30 * SECOND
    log_format: LogFormat = LogFormat.AUTO
    log_level: LogLevel = LogLevel.INFO
    heartbeat_url: str | None = None
    keep_history: Micros = 90 * DAY
    keep_decisions: int = 100
    keep_logs: Micros = 30 * DAY
    keep_log_bytes: int = 1 << 30
    keep_bodies: Micros = 30 * DAY
    keep_body_bytes: int = 2 << 30
    metrics_names: bool = False
    outbound: Outbound = Outbound.ALL
    metrics_listen: Listen | None = None
    base_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    connections_per_address: int = 64
    deliveries_per_second: int = 100
    crash_at: str | None = None

    @property
    def key_path(self) -> Path:
        return self.key_file or self.data / KEY

    @property
    def allowance(self) -> Allowance:
        """What a manifest may name that comes over HTTP."""
        return Allowance(names=frozenset(self.secret_names), folder=self.secret_dir)


class Setting(Struct, frozen=True, kw_only=True):
    """One line of the reference, and how its text is read (ValueError: what is wrong, the fix)."""

    name: str
    meaning: str
    default: str
    read: Callable[[str], Value]
    word: str = ""  # of the flag, where it is not the name

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + (self.word or self.name.replace("_", "-"))


SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="data",
        meaning="The folder that holds everything: the database, its lock and the socket.",
        default="./tinyforge-data",
        read=read_path,
    ),
    Setting(
        name="database",
        meaning="A PostgreSQL that several servers share, such as postgresql://USER@HOST/NAME.",
        default="a file in the data folder",
        read=read_database,
    ),
    Setting(
        name="config",
        meaning="A manifest that is applied before the first sweep, and again on SIGHUP.",
        default="none",
        read=read_path,
    ),
    Setting(
        name="key_file",
        meaning="The key that seals secrets; made at first need, for this user alone.",
        default="key in the data folder",
        read=read_path,
    ),
    Setting(
        name="secret_names",
        meaning="Variables that a manifest may name which comes over HTTP, commas between.",
        default="none",
        read=read_names,
    ),
    Setting(
        name="secret_dir",
        meaning="The folder below which a manifest may name files that comes over HTTP.",
        default="none",
        read=read_path,
    ),
    Setting(
        name="labels",
        meaning="What this server carries, KEY=VALUE with commas between: workloads ask for it.",
        default="none",
        read=read_labels,
        word="label",
    ),
    Setting(
        name="listen",
        meaning="HOST:PORT that takes webhooks, and answers calls with a token.",
        default="127.0.0.1:8270",
        read=read_listen,
    ),
    Setting(
        name="strict",
        meaning="Whether a manifest with mistakes keeps the server from starting.",
        default="no",
        read=read_switch,
    ),
    Setting(
        name="tick_interval",
        meaning="The longest time between two sweeps, 1s to 5m.",
        default="30s",
        read=read_length,
    ),
    Setting(
        name="concurrency",
        meaning="Runs that this server may deploy at once.",
        default="4 for each core, at least 8",
        read=whole(1, MOST_AT_ONCE),
    ),
    Setting(
        name="catch_up_rate",
        meaning="Runs per second that this server begins for events that come late.",
        default="unlimited",
        read=read_rate,
    ),
    Setting(
        name="grace",
        meaning="How long running deploys may go on after the server was told to stop.",
        default="30s",
        read=length(0, LONGEST_GRACE, "30s"),
    ),
    Setting(
        name="log_format",
        meaning="console, json, or auto: console on a terminal, else json.",
        default="auto",
        read=choice(LogFormat),
    ),
    Setting(
        name="log_level",
        meaning="The least that is logged: debug, info, warning or error.",
        default="info",
        read=choice(LogLevel),
    ),
    Setting(
        name="heartbeat_url",
        meaning="An address that is called after every sweep that could record.",
        default="none",
        read=read_web_address,
    ),
    Setting(
        name="keep_history",
        meaning="How long events, results, runs and skipped windows are kept.",
        default="90d",
        read=length(DAY, LONGEST_KEPT, "90d"),
    ),
    Setting(
        name="keep_decisions",
        meaning="Decisions of each trigger that are kept whatever their age.",
        default="100",
        read=whole(1, MOST_KEPT),
    ),
    Setting(
        name="keep_logs",
        meaning="How long the logs of runs are kept.",
        default="30d",
        read=length(0, LONGEST_KEPT, "30d"),
    ),
    Setting(
        name="keep_log_bytes",
        meaning="Bytes that all logs of runs may take; the oldest runs' go first.",
        default="1GiB",
        read=read_size,
    ),
    Setting(
        name="keep_bodies",
        meaning="How long the bodies of deliveries are kept.",
        default="30d",
        read=length(0, LONGEST_KEPT, "30d"),
    ),
    Setting(
        name="keep_body_bytes",
        meaning="Bytes that all bodies of deliveries may take, compressed; the oldest go first.",
        default="2GiB",
        read=read_size,
    ),
    Setting(
        name="metrics_names",
        meaning="Whether metrics of fires carry the triggers' names.",
        default="no",
        read=read_switch,
    ),
    Setting(
        name="outbound",
        meaning="What an http workload may call: all, or public addresses alone.",
        default="all",
        read=choice(Outbound),
    ),
    Setting(
        name="connections_per_address",
        meaning="Connections of one address that may owe a whole request.",
        default="64",
        read=whole(1, MOST_AT_ONCE),
    ),
    Setting(
        name="deliveries_per_second",
        meaning="Deliveries per second that one webhook endpoint takes, 20 times as many at once.",
        default="100",
        read=whole(1, MOST_KEPT),
    ),
    Setting(
        name="metrics_listen",
        meaning="HOST:PORT that answers /metrics without a token, and nothing else.",
        default="none",
        read=read_listen,
    ),
    Setting(
        name="base_url",
        meaning="Where others reach the server; addresses that it tells begin with it.",
        default="http:// and the address of --listen",
        read=read_base_url,
    ),
    Setting(
        name="trusted_proxies",
        meaning="Networks whose X-Forwarded-For is believed, CIDR with commas between.",
        default="none",
        read=read_networks,
    ),
    Setting(
        name="crash_at",
        meaning="A named point at which the process ends itself, for tests of restarts.",
        default="none",
        read=read_text,
    ),
)
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
BY_VARIABLE: Mapping[str, Setting] = {setting.variable: setting for setting in SETTINGS}


def read_settings(
    environment: Mapping[str, str], flags: Mapping[str, str | None] | None = None
) -> Settings:
    """Read `TINYFORGE_…`; *flags* (by setting's name) win. Raise InvalidSettings with all mistakes.

    A variable that is set but empty counts as not set.
    """
    given = {name: text for name, text in (flags or {}).items() if text is not None}
    values: dict[str, Value] = {}
    mistakes = misspelt(environment)
    for setting in SETTINGS:
        flagged = setting.name in given
        text = given[setting.name] if flagged else environment.get(setting.variable)
        if text is None or (text == "" and not flagged):
            continue
        try:
            values[setting.name] = setting.read(text.strip())
        except ValueError as problem:
            mistakes.append(f"{setting.flag if flagged else setting.variable}: {problem}")
    if mistakes:
        raise InvalidSettings(tuple(mistakes))
    return convert(values, Settings, strict=True)


def data_folder(environment: Mapping[str, str], flag: str | None) -> Path:
    """Where commands find the server; the same rule as `read_settings`."""
    text = flag if flag is not None else environment.get("TINYFORGE_DATA", "")
    if flag is None and text == "":
        return Settings().data
    try:
        return read_path(text)
    except ValueError as problem:
        name = "--data" if flag is not None else "TINYFORGE_DATA"
        raise InvalidSettings((f"{name}: {problem}",)) from None


def database_address(environment: Mapping[str, str]) -> str | None:
    """Return what stands for the database, unread: None where it is the file."""
    return environment.get("TINYFORGE_DATABASE") or None


def misspelt(environment: Mapping[str, str]) -> list[str]:
    """Find variables that look like one of ours; others with the prefix may be a manifest's."""
    mistakes: list[str] = []
    for variable in sorted(environment):
        ours = variable.startswith(PREFIX) and variable not in BY_VARIABLE
        name = variable.removeprefix(PREFIX)
        if not ours or name in GIVEN_TO_RUNS or name.startswith(GIVEN_OF_EVENTS):
            continue
        mistakes.extend(
            f"{variable}: no such setting; did you mean {near}?"
            for near in get_close_matches(variable, BY_VARIABLE, 1, cutoff=0.88)
            if not near.startswith(f"{variable}_")  # a whole word less is no slip of the pen
        )
    return mistakes
