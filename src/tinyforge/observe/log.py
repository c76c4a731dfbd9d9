"""Structured logs: one JSON object a line, or lines for people where a terminal reads them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TypeAlias

import msgspec

from tinyforge.clock import Clock, rfc3339
from tinyforge.observe.events import BlockedLoop, Happening
from tinyforge.observe.lines import Level, Line, clipped, lines_of
from tinyforge.observe.pipe import Pipe

Render: TypeAlias = Callable[[Sequence[Line]], bytes]

encoder = msgspec.json.Encoder()

# What JSON lets through and a terminal obeys: DEL, C1, line separators, changes of direction.
STEERING = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def as_json(lines: Sequence[Line]) -> bytes:
    """Return one JSON object a line, in ASCII wherever a character could steer a terminal."""
    try:
        text = encoder.encode_lines(lines)
    except UnicodeEncodeError:
        text = encoder.encode_lines([_without_surrogates(line) for line in lines])
    if text.isascii() and b"\x7f" not in text:
        return text
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text.decode()).encode()


def _without_surrogates(line: Line) -> Line:
    return {key: _encodable(line[key]) for key in line}


def _encodable(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case list():
            return [_encodable(one) for one in value]
    return value


def rendering(form: str, *, terminal: bool) -> Render:
    """Return how lines look: *form* is `json`, `console`, or `auto` for what the reader is."""
    if form == "json" or (form == "auto" and not terminal):
        return as_json
    as_text: Render = import_module("tinyforge.observe.console").as_text(colours=terminal)
    return as_text


class Log(logging.Handler):
    """Listens to happenings, and to the records of libraries as a handler of `logging`."""

    def __init__(self, pipe: Pipe, render: Render, clock: Clock, least: Level = Level.INFO) -> None:
        super().__init__(max(least, Level.WARNING))
        self._pipe = pipe
        self._render = render
        self._clock = clock
        self._least = least
        self._dropped = 0  # as said last

    def __call__(self, happening: Happening) -> None:
        lines = lines_of(happening, self._least, self._clock.now())
        if lines:
            self._write(lines)
        if isinstance(happening, BlockedLoop):
            self._pipe.flush()  # the process is about to end without another word

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write([self._foreign(record)])
        except Exception:  # noqa: BLE001 - a library's record that cannot be rendered
            self.handleError(record)

    def _write(self, lines: Sequence[Line]) -> None:
        dropped = self._pipe.dropped
        loss = [self._loss(dropped)] if dropped > self._dropped else []
        self._dropped = dropped
        self._pipe.write(self._render([*loss, *lines]), len(lines))

    def _loss(self, dropped: int) -> Line:
        return {
            "time": rfc3339(self._clock.now()),
            "level": Level.WARNING.word,
            "happening": "LogLinesDropped",
            "message": "log lines were dropped: their reader is gone, or too slow",
            "total": dropped,
        }

    def _foreign(self, record: logging.LogRecord) -> Line:
        line: Line = {
            "time": rfc3339(self._clock.now()),
            "level": record.levelname.lower(),
            "happening": "LibraryRecord",
            "message": clipped(record.getMessage()),
            "logger": record.name,
        }
        if record.exc_info:
            line["stack"] = logging.Formatter().formatException(record.exc_info)
        return line
