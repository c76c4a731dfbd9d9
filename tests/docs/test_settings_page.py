from __future__ import annotations

from tests.docs.tables import page, rows
from tinyforge.settings import SETTINGS


def test_every_setting_is_described_as_it_is() -> None:
    assert rows(page("reference/settings.md")) == {
        setting.variable: [f"`{setting.flag}`", setting.default, setting.meaning]
        for setting in SETTINGS
    }
