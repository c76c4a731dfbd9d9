"""What a terminal is told while an answer takes its time."""

from __future__ import annotations

from io import StringIO
from threading import Event

from tinyforge.cli.waiting import ERASE, waiting


def test_what_takes_long_says_so_and_leaves_nothing_behind() -> None:
    err, said = StringIO(), Event()

    def words() -> str:
        said.set()
        return "sending 3.1 of 12.4 MiB"

    with waiting(err, words):
        assert said.wait(30)
    assert err.getvalue() == f"{ERASE}sending 3.1 of 12.4 MiB, 1 s{ERASE}"


def test_what_is_quick_says_nothing() -> None:
    err = StringIO()
    with waiting(err, lambda: "waiting"):
        pass
    assert err.getvalue() == ""
