from __future__ import annotations

import pytest

from tinyforge.observe.events import Happening, TickBegan
from tinyforge.observe.listeners import listeners


def test_one_that_raises_is_said_once_and_its_neighbours_hear_everything(
    capsys: pytest.CaptureFixture[str],
) -> None:
    heard: list[Happening] = []

    def bad(happening: Happening) -> None:
        raise ValueError("no")

    observe = listeners(heard.append, bad, heard.append)
    observe(TickBegan())
    observe(TickBegan())
    assert heard == [TickBegan()] * 4
    errors = capsys.readouterr().err
    assert errors.count("ValueError: no") == 1
    assert "TickBegan" in errors


def test_the_end_of_the_process_passes_through() -> None:
    def end(happening: Happening) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        listeners(end)(TickBegan())
