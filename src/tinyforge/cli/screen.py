"""Where a command writes: data to stdout, hints and errors to stderr."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO, TypeVar

from msgspec import Struct, json

from tinyforge.cli.moments import show_moment
from tinyforge.cli.options import Shared
from tinyforge.cli.tables import Column, Row, bold, coloured, render
from tinyforge.cli.text import safe, safe_line

T = TypeVar("T")
PROGRAM = "tinyforge"
MOMENT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\b")
NARROWEST = 40


class Screen(Struct, frozen=True, kw_only=True):
    """*width* is None where nobody's terminal sets one: then nothing is cut."""

    out: TextIO
    err: TextIO
    shared: Shared
    width: int | None
    colours: bool
    blocks: bool = True  # whether letters beyond ASCII can be shown

    def line(self, text: str = "") -> None:
        self.out.write(safe_line(text) + "\n")

    def title(self, text: str) -> None:
        self.out.write(bold(safe_line(text), on=self.colours) + "\n")

    def state(self, word: str) -> str:
        return coloured(safe(word), word, on=self.colours)

    def table(self, columns: Sequence[Column], rows: Iterable[Row]) -> bool:
        """Write *rows* as they come; say whether there was any."""
        empty = True
        for text in render(columns, rows, self.width, colours=self.colours):
            self.out.write(text + "\n")
            empty = False
        return not empty

    def facts(self, facts: Mapping[str, str]) -> None:
        """Write `name  value` lines; an empty value is left out."""
        shown = {name: value for name, value in facts.items() if value}
        margin = max(map(len, shown), default=0)
        for name, value in shown.items():
            label = bold(name.ljust(margin), on=self.colours)
            self.out.write(f"{label}  {safe(value)}\n")

    def raw(self, body: bytes) -> int:
        """Write JSON as it came, indented; return the exit code of a command that is done."""
        self.out.write(json.format(body, indent=2).decode() + "\n")
        return 0

    def hint(self, text: str) -> None:
        self.out.flush()
        self.err.write(safe_line(text) + "\n")

    def next(self, command: str) -> None:
        """Say what to type next, for the same server as this command's."""
        if command:
            self.hint(f"next: {self.command(command)}")

    def command(self, text: str) -> str:
        if self.shared.data is None or not text.startswith(f"{PROGRAM} "):
            return text
        return f"{text} --data {shlex.quote(self.shared.data)}"

    def words(self, text: str) -> str:
        """Return the server's sentence with its moments as this person reads them."""
        return MOMENT.sub(lambda found: self.when(found[0]), text)

    def when(self, moment: str | None) -> str:
        return show_moment(moment, in_utc=self.shared.utc)


def screen(shared: Shared) -> Screen:
    terminal = sys.stdout.isatty()
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") in {None, "dumb"}
    width = max(NARROWEST, shutil.get_terminal_size().columns) if terminal else None
    return Screen(
        out=sys.stdout,
        err=sys.stderr,
        shared=shared,
        width=width,
        colours=terminal and not plain,
        blocks="utf" in (sys.stdout.encoding or "").lower(),
    )
