from __future__ import annotations

from dataclasses import fields

from tests.docs.tables import page, rows
from tinyforge.cli.serve import ServeFlags
from tinyforge.settings import SETTINGS

FLAGS = {field.name for field in fields(ServeFlags)}


def test_every_setting_is_described_as_it_is() -> None:
    assert rows(page("reference/settings.md")) == {
        setting.variable: [
            f"`{setting.flag}`" if setting.name in FLAGS else "",
            setting.default,
            setting.meaning,
        ]
        for setting in SETTINGS
    }
