"""Environment and flags become settings, or mistakes that name the variable and the fix."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from tinyforge.cli.serve import ServeFlags
from tinyforge.clock import DAY, HOUR, MINUTE, SECOND
from tinyforge.errors import InvalidSettings
from tinyforge.settings import (
    SETTINGS,
    Listen,
    LogFormat,
    LogLevel,
    Outbound,
    Settings,
    data_folder,
    deploys_at_once,
    read_settings,
)

PROXIES = ("10.0.0.0/8", "fd00::/8", "127.0.0.1/32")


def test_nothing_given_is_the_defaults() -> None:
    settings = read_settings({})
    assert settings == Settings()
    assert settings.data == Path("tinyforge-data")
    assert settings.tick_interval == 30 * SECOND
    assert settings.concurrency == deploys_at_once() >= 8


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("data", "/var/lib/tinyforge", Path("/var/lib/tinyforge")),
        ("database", "postgresql://me@db/forge", "postgresql://me@db/forge"),
        ("config", "tinyforge.yaml", Path("tinyforge.yaml")),
        ("labels", "host=web1, disk=ssd", ("disk=ssd", "host=web1")),
        ("listen", "0.0.0.0:80", Listen("0.0.0.0", 80)),  # noqa: S104 - a value, nothing binds
        ("listen", "[::1]:0", Listen("::1", 0)),
        ("strict", "1", True),
        ("strict", "no", False),
        ("tick_interval", "5m", 5 * MINUTE),
        ("tick_interval", "0", 0),
        ("tick_interval", "-3", -3 * SECOND),
        ("tick_interval", "1h", HOUR),
        ("concurrency", "256", 256),
        ("catch_up_rate", "0.5", 0.5),
        ("grace", "0", 0),
        ("log_format", "JSON", LogFormat.JSON),
        ("log_level", "debug", LogLevel.DEBUG),
        ("heartbeat_url", "https://hc.example.org/ping/1", "https://hc.example.org/ping/1"),
        ("keep_history", "7d", 7 * DAY),
        ("keep_decisions", "10", 10),
        ("keep_logs", "1d", DAY),
        ("keep_log_bytes", "500MiB", 500 << 20),
        ("keep_log_bytes", "123", 123),
        ("keep_bodies", "7d", 7 * DAY),
        ("keep_body_bytes", "500MiB", 500 << 20),
        ("metrics_names", "yes", True),
        ("outbound", "public", Outbound.PUBLIC),
        ("metrics_listen", "127.0.0.1:9270", Listen("127.0.0.1", 9270)),
        ("base_url", "https://forge.example.org/", "https://forge.example.org"),
        ("base_url", "http://[::1]:8270/forge", "http://[::1]:8270/forge"),
        ("trusted_proxies", "10.0.0.0/8, fd00::/8,127.0.0.1", PROXIES),
        ("trusted_proxies", ",", ()),
        ("crash_at", "EventsFannedOut", "EventsFannedOut"),
    ],
)
def test_a_setting_is_read_from_environment_and_flag_alike(
    name: str, text: str, value: object
) -> None:
    from_variable = read_settings({f"TINYFORGE_{name.upper()}": text})
    from_flag = read_settings({}, {name: text})
    assert getattr(from_variable, name) == value
    assert from_variable == from_flag


@pytest.mark.parametrize(
    ("name", "text", "fix"),
    [
        ("data", "a\0b", "/var/lib/tinyforge"),
        ("database", "mysql://me:secret@db/forge", "postgresql://USER@HOST/NAME"),
        (
            "database",
            "postgresql://me:${file:/not/there}@db/forge",
            "${file:/not/there}: cannot be",
        ),
        ("database", "${env:TINYFORGE_IS_NOT_SET}", "put the value there"),
        ("listen", "8270", "127.0.0.1:8270"),
        ("listen", "::1:80", "127.0.0.1:8270"),
        ("listen", "host:65536", "127.0.0.1:8270"),
        ("listen", ":80", "127.0.0.1:8270"),
        ("strict", "perhaps", "write 1 or 0"),
        ("tick_interval", "soon", "write it like 90s"),
        ("concurrency", "0", "1 to 10000"),
        ("concurrency", "many", "1 to 10000"),
        ("concurrency", "9" * 5000, "1 to 10000"),
        ("catch_up_rate", "0", "above 0"),
        ("catch_up_rate", "nan", "above 0"),
        ("catch_up_rate", "inf", "above 0"),
        ("grace", "2h", "3600s"),
        ("grace", "-1s", "30s"),
        ("log_format", "consol", "write for example console"),
        ("log_level", "trace", "debug, info, warning, error"),
        ("heartbeat_url", "ftp://example.org", "https://"),
        ("heartbeat_url", "https://exa mple.org/", "https://"),
        ("heartbeat_url", "https://[", "https://"),
        ("keep_history", "1h", "90d"),
        ("keep_history", "1 month", "write it like 90s"),
        ("keep_decisions", "0", "1 to"),
        ("keep_log_bytes", "1GB", "1GiB"),
        ("metrics_listen", "9270", "127.0.0.1:8270"),
        ("base_url", "forge.example.org", "https://HOST"),
        ("base_url", "https://forge.example.org/?a=b", "https://HOST"),
        ("base_url", "https://me:secret@forge.example.org", "https://HOST"),
        ("trusted_proxies", "10.0.0.1/8", "10.0.0.0/8"),
        ("trusted_proxies", "127.0.0.1, everybody", "'everybody' is no network"),
        ("keep_log_bytes", "-1", "1GiB"),
        ("metrics_names", "names", "write 1 or 0"),
        ("outbound", "none", "all, public"),
    ],
)
def test_a_mistake_names_the_variable_and_the_fix(name: str, text: str, fix: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        read_settings({f"TINYFORGE_{name.upper()}": text})
    (mistake,) = refused.value.mistakes
    assert mistake.startswith(f"TINYFORGE_{name.upper()}: ")
    assert fix in mistake


def test_the_password_of_a_database_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p@ss/w:rd %\n")
    (tmp_path / "address").write_text("postgresql://me@db/forge\n")
    within = f"postgresql://me:${{file:{tmp_path}/password}}@db/forge"
    for text, address in (
        (within, "postgresql://me:p%40ss%2Fw%3Ard%20%25@db/forge"),
        (f"${{file:{tmp_path}/address}}", "postgresql://me@db/forge"),
    ):
        assert read_settings({"TINYFORGE_DATABASE": text}).database == address


def test_all_mistakes_are_said_at_once_each_by_where_it_was_given() -> None:
    with pytest.raises(InvalidSettings) as refused:
        read_settings(
            {"TINYFORGE_GRACE": "x", "TINYFORGE_CONCURRENCY": "9"}, {"concurrency": "none"}
        )
    assert [mistake.split(":")[0] for mistake in refused.value.mistakes] == [
        "--concurrency",
        "TINYFORGE_GRACE",
    ]


def test_a_flag_wins_over_its_variable() -> None:
    settings = read_settings({"TINYFORGE_GRACE": "5s"}, {"grace": "7s", "data": None})
    assert settings.grace == 7 * SECOND


def test_an_empty_variable_counts_as_not_set_and_an_empty_flag_is_a_mistake() -> None:
    assert read_settings({"TINYFORGE_DATA": ""}) == Settings()
    with pytest.raises(InvalidSettings, match="--data: '' is no path"):
        read_settings({}, {"data": ""})


def test_a_misspelt_variable_is_a_mistake_with_the_right_one() -> None:
    with pytest.raises(InvalidSettings, match="did you mean TINYFORGE_CONCURRENCY"):
        read_settings({"TINYFORGE_CONCURENCY": "4"})


def test_variables_of_a_manifest_and_of_a_run_are_left_alone() -> None:
    environment = {
        "TINYFORGE_RUN_ID": "run_1",
        "TINYFORGE_EVENT_ID": "evt_1",
        "TINYFORGE_SECRET": "${env:…} may name this",
    }
    assert read_settings(environment) == Settings()


def test_commands_look_for_the_data_where_the_server_keeps_it() -> None:
    assert data_folder({}, None) == Settings().data
    assert data_folder({"TINYFORGE_DATA": "/a"}, None) == Path("/a")
    assert data_folder({"TINYFORGE_DATA": "/a"}, "/b") == Path("/b")
    with pytest.raises(InvalidSettings, match="--data"):
        data_folder({}, "")


def test_every_setting_has_its_field_its_meaning_and_its_flag() -> None:
    names = [setting.name for setting in SETTINGS]
    assert sorted(names) == sorted(Settings.__struct_fields__)
    assert all(setting.meaning.endswith(".") and setting.default for setting in SETTINGS)
    # crash points belong to tests alone and have no flag
    assert {one.name for one in fields(ServeFlags)} == {*names} - {"crash_at", "database"}
