"""`tinyforge init`: a first manifest with comments, or a systemd unit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec import json

from tests.cli.calls import Calls
from tinyforge.cli.systemd import unit
from tinyforge.cli.zone import machine_zone
from tinyforge.manifest.examples import names


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_first_manifest_is_in_the_machines_zone_and_says_what_to_type(
    call: Calls, tmp_path: Path
) -> None:
    said = call.bare("init")
    assert (said.code, said.lines) == (0, ["wrote tinyforge.yaml"])
    assert said.last == "next: tinyforge serve --config tinyforge.yaml"
    assert 'timezone: "Europe/Berlin"' in (tmp_path / "tinyforge.yaml").read_text()


def test_a_file_that_is_there_is_left_alone_unless_forced(call: Calls, tmp_path: Path) -> None:
    mine = tmp_path / "my own.yaml"
    mine.write_text("mine")
    said = call.bare("init", "my own.yaml")
    assert said.code == 1
    assert said.last.endswith("tinyforge init 'my own.yaml' --force")
    assert mine.read_text() == "mine"
    assert call.bare("init", "my own.yaml", "--force").code == 0
    assert mine.read_text() != "mine"


def test_every_example_that_is_listed_can_be_written(call: Calls, tmp_path: Path) -> None:
    listed = call.bare("init", "--list").lines
    assert listed == list(names())
    for name in listed:
        assert call.bare("init", f"{name}.yaml", "--example", name).code == 0
        assert (tmp_path / f"{name}.yaml").read_text().startswith("#")


def test_an_example_that_is_none_says_which_there_are(call: Calls) -> None:
    said = call.bare("init", "--example", "nightly-backups")
    assert said.code == 2
    assert "did you mean 'nightly-backup'" in said.err
    assert said.last == "fix: tinyforge init --list"


def test_a_folder_that_is_not_there_is_said_so(call: Calls) -> None:
    said = call.bare("init", "none/tinyforge.yaml")
    assert said.code == 1
    assert "none/tinyforge.yaml: No such file or directory" in said.err


def test_the_unit_starts_this_program_and_nothing_else_is_written(
    call: Calls, tmp_path: Path
) -> None:
    said = call.bare("init", "--systemd")
    assert said.code == 0
    assert any(line.startswith("ExecStart=/") for line in said.lines)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "tinyforge.service"
    path.write_text(unit("/bin/true"))
    judged = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "tinyforge.service" not in judged.stderr


@pytest.mark.parametrize(
    ("environment", "link", "text", "zone"),
    [
        ({"TZ": "Asia/Tokyo"}, "/usr/share/zoneinfo/Europe/Berlin", None, "Asia/Tokyo"),
        ({"TZ": ":Asia/Tokyo"}, None, None, "Asia/Tokyo"),
        ({"TZ": "CET-1CEST,M3.5.0"}, "/usr/share/zoneinfo/Europe/Berlin", None, "Europe/Berlin"),
        ({}, "../usr/share/zoneinfo/America/Argentina/Salta", None, "America/Argentina/Salta"),
        ({}, "/usr/share/zoneinfo/Etc/UTC", None, "Etc/UTC"),
        ({}, "/somewhere/else", "Europe/Paris\n", "Europe/Paris"),
        ({}, None, "Europe/Paris\n", "Europe/Paris"),
        ({}, None, "Mars/Olympus", "UTC"),
        ({}, None, None, "UTC"),
    ],
)
def test_the_zone_is_the_machines(
    environment: dict[str, str], link: str | None, text: str | None, zone: str, tmp_path: Path
) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    if link:
        (etc / "localtime").symlink_to(link)
    if text:
        (etc / "timezone").write_text(text)
    assert machine_zone(environment, tmp_path) == zone


def test_an_example_with_a_secret_is_for_its_owner_alone(call: Calls, tmp_path: Path) -> None:
    said = call.bare("init", "--example", "deploy-on-push")
    assert "it holds a secret" in said.err
    assert (tmp_path / "tinyforge.yaml").stat().st_mode & 0o777 == 0o600


def test_programs_are_told_in_json(call: Calls) -> None:
    assert json.decode(call.bare("init", "--json").out)["wrote"] == "tinyforge.yaml"
    assert json.decode(call.bare("init", "--list", "--json").out)["examples"] == list(names())
    assert "ExecStart" in call.bare("init", "--systemd", "--json").out
