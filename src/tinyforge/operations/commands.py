"""The next command to type, safe to paste whatever a row is called."""

from __future__ import annotations

import shlex


def command(*words: str) -> str:
    return shlex.join(("tinyforge", *words))
