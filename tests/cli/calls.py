"""A command line, called in this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tinyforge.cli.main import run


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def last(self) -> str:
        """What the person reads last."""
        return (self.err or self.out).splitlines()[-1]


@dataclass(frozen=True)
class Calls:
    """Calls `tinyforge …` for the data folder of the test."""

    capsys: pytest.CaptureFixture[str]
    data: Path

    def __call__(self, *words: str) -> Said:
        return self.bare(*words, "--data", str(self.data))

    def bare(self, *words: str) -> Said:
        code = run(words)
        said = self.capsys.readouterr()
        return Said(code, said.out, said.err)
