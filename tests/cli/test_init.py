"""`tinyforge init`: a first manifest with comments, or a systemd unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyforge.cli.zone import machine_zone


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
