"""The log for people. Apart from the rest, for importing structlog takes its time."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from datetime import datetime

from structlog.dev import ConsoleRenderer

from tinyforge.observe.lines import Line

MOMENTS = frozenset({"time", "at", "window", "oldest", "newest"})
LEFT_OUT = frozenset({"happening", "at"})  # said by the message and by `time`
STACK = "stack"  # the one value that keeps its line breaks


def as_text(*, colours: bool) -> Callable[[Sequence[Line]], bytes]:
    """Return a rendering in local time; nothing in a line can steer the terminal."""
    render = ConsoleRenderer(
        colors=colours and "NO_COLOR" not in os.environ,
        event_key="message",
        timestamp_key="time",
        sort_keys=False,
        pad_event_to=20,
    )

    def text_of(lines: Sequence[Line]) -> bytes:
        texts = [
            render(
                logging, "", {key: _shown(key, line[key]) for key in line if key not in LEFT_OUT}
            )
            for line in lines
        ]
        return ("\n".join(texts) + "\n").encode()

    return text_of


def _shown(key: str, value: object) -> object:
    match value:
        case str() if key in MOMENTS:
            local = datetime.fromisoformat(value).astimezone()
            return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1_000:03d} {local:%Z}"
        case str() if not value.isprintable():
            breaks = "\n" if key == STACK else ""
            return "".join(c if c.isprintable() or c in breaks else _escaped(c) for c in value)
        case list():
            return ", ".join(str(_shown("", one)) for one in value)
    return value


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
