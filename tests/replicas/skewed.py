"""`python -m tests.replicas.skewed SECONDS --data DIR …`: serve where the machine's clock is wrong."""

from __future__ import annotations

import os
import sys

from tinyforge.clock import SECOND, Moment, SystemClock
from tinyforge.server.process import serve
from tinyforge.settings import read_settings


class WrongClock(SystemClock):
    def __init__(self, ahead: int) -> None:
        self._ahead = ahead * SECOND

    def now(self) -> Moment:
        return super().now() + self._ahead


def main(ahead: str, *words: str) -> int:
    given = {flag.removeprefix("--").replace("-", "_"): text for flag, text in _pairs(words)}
    return serve(read_settings(os.environ, given), WrongClock(int(ahead)))


def _pairs(words: tuple[str, ...]) -> list[tuple[str, str]]:
    return list(zip(words[::2], words[1::2], strict=True))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
