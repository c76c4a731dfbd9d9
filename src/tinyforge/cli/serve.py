"""What `tinyforge serve` does: read the settings, then be the server."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pkgutil import resolve_name
from typing import Annotated, TypeAlias, cast

from cyclopts import Parameter

from tinyforge.settings import BY_NAME, Settings, read_settings

Serve: TypeAlias = Callable[[Settings], int]


def _as_setting(name: str, *, alone: bool = False) -> Parameter:
    """Take the words of the reference; *alone*: the flag needs no value."""
    setting = BY_NAME[name]
    default = "" if alone else f" [default: {setting.default}]"
    return Parameter(name=setting.flag, help=f"{setting.meaning}{default}")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServeFlags:
    """Each is also a variable: `--tick-interval` is `TINYFORGE_TICK_INTERVAL`."""

    data: Annotated[str | None, _as_setting("data")] = None
    config: Annotated[str | None, _as_setting("config")] = None
    key_file: Annotated[str | None, _as_setting("key_file")] = None
    secret_names: Annotated[str | None, _as_setting("secret_names")] = None
    secret_dir: Annotated[str | None, _as_setting("secret_dir")] = None
    labels: Annotated[tuple[str, ...], _as_setting("labels")] = ()
    listen: Annotated[str | None, _as_setting("listen")] = None
    strict: Annotated[bool, _as_setting("strict", alone=True)] = False
    tick_interval: Annotated[str | None, _as_setting("tick_interval")] = None
    concurrency: Annotated[str | None, _as_setting("concurrency")] = None
    catch_up_rate: Annotated[str | None, _as_setting("catch_up_rate")] = None
    grace: Annotated[str | None, _as_setting("grace")] = None
    log_format: Annotated[str | None, _as_setting("log_format")] = None
    log_level: Annotated[str | None, _as_setting("log_level")] = None
    heartbeat_url: Annotated[str | None, _as_setting("heartbeat_url")] = None
    keep_history: Annotated[str | None, _as_setting("keep_history")] = None
    keep_decisions: Annotated[str | None, _as_setting("keep_decisions")] = None
    keep_logs: Annotated[str | None, _as_setting("keep_logs")] = None
    keep_log_bytes: Annotated[str | None, _as_setting("keep_log_bytes")] = None
    keep_bodies: Annotated[str | None, _as_setting("keep_bodies")] = None
    keep_body_bytes: Annotated[str | None, _as_setting("keep_body_bytes")] = None
    metrics_names: Annotated[bool, _as_setting("metrics_names", alone=True)] = False
    outbound: Annotated[str | None, _as_setting("outbound")] = None
    metrics_listen: Annotated[str | None, _as_setting("metrics_listen")] = None
    base_url: Annotated[str | None, _as_setting("base_url")] = None
    trusted_proxies: Annotated[str | None, _as_setting("trusted_proxies")] = None
    connections_per_address: Annotated[str | None, _as_setting("connections_per_address")] = None
    deliveries_per_second: Annotated[str | None, _as_setting("deliveries_per_second")] = None

    def given(self) -> dict[str, str | None]:
        """Return what was said, as text; a switch that was not set says nothing."""
        said: dict[str, str | bool | tuple[str, ...] | None] = asdict(self)
        return {name: _text(value) for name, value in said.items()}


def _text(value: str | bool | tuple[str, ...] | None) -> str | None:
    if isinstance(value, tuple):
        return ",".join(value) if value else None
    if isinstance(value, bool):
        return "1" if value else None
    return value


NO_FLAGS = ServeFlags()


def serve(*, flags: ServeFlags = NO_FLAGS) -> int:
    settings = read_settings(os.environ, flags.given())
    # Read first: a mistake is said before the whole server is imported.
    run = cast("Serve", resolve_name("tinyforge.server.process:serve"))
    return run(settings)
