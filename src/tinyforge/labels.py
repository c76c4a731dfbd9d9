"""Labels: `key=value` pairs that a server carries and a workload may ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

Labels: TypeAlias = tuple[str, ...]  # sorted `key=value`, each key once

MOST_LABELS = 16
LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}=[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
EXAMPLE = "host=web1"


def labels(pairs: Iterable[str]) -> Labels:
    """Return *pairs* in order; ValueError says what is wrong with them, and the fix."""
    found: dict[str, str] = {}
    for pair in pairs:
        if not LABEL.fullmatch(pair):
            raise ValueError(f"{pair[:140]!r} is no label; write KEY=VALUE such as {EXAMPLE}")
        key = pair.partition("=")[0]
        if found.setdefault(key, pair) != pair:
            raise ValueError(f"{key} is given twice, as {found[key]} and {pair}; keep one of them")
    if len(found) > MOST_LABELS:
        raise ValueError(f"{len(found)} labels are too many; write at most {MOST_LABELS}")
    return tuple(sorted(found.values()))


def read_labels(text: str) -> Labels:
    """Read what `show_labels` writes, and spaces around its commas."""
    return labels(pair for part in text.split(",") if (pair := part.strip()))


def show_labels(found: Labels) -> str:
    return ",".join(found)


def carries(carried: Labels, asked: Labels) -> bool:
    """Say whether whoever carries *carried* is a place that *asked* asks for."""
    return not asked or set(asked) <= set(carried)
