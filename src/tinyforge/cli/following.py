"""A run's log, as it grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from tinyforge.cli.client import Api, named
from tinyforge.cli.failure import Interrupted
from tinyforge.cli.screen import Screen
from tinyforge.operations.views import ChunkView, LogView, RunDetail

SHORTEST, LONGEST = 0.05, 1.0  # seconds between two looks at a log that has not grown
SLOWER = 1.5
START = -1  # before the first chunk


class Ending(Struct, frozen=True, kw_only=True):
    detail: RunDetail

    @property
    def run(self) -> str:
        return self.detail.run.id

    @property
    def state(self) -> str:
        return self.detail.run.state

    @property
    def error(self) -> str:
        return self.detail.run.error or ""

    @property
    def next_command(self) -> str:
        return self.detail.next_command


def chunks(
    api: Api, run: str, *, follow: bool, rest: Callable[[float], None] = time.sleep
) -> Iterator[ChunkView]:
    """Yield the log from its start; with *follow* until the run is over. Return after that."""
    after, pause = START, SHORTEST
    while True:
        log = api.get(f"/runs/{named(run)}/log", LogView, {"after": after}).read()
        yield from log.chunks
        after = log.next
        if log.over or not (log.chunks or follow):
            return
        if log.chunks:
            pause = SHORTEST
        else:
            rest(pause)
            pause = min(LONGEST, pause * SLOWER)


def follow_to_end(out: Screen, api: Api, run: str, *, quiet: bool = False) -> Ending:
    """Show the log until the run is over; of a superseded run, the one that took its place."""
    try:
        while True:
            for chunk in chunks(api, run, follow=True):
                if not quiet:
                    show_lines(out, chunk)
            detail = api.get(f"/runs/{named(run)}", RunDetail).read()
            if (newer := detail.run.superseded_by) is None:
                return Ending(detail=detail)
            out.hint(f"{run} was superseded by {newer}, which is followed now")
            run = newer
    except KeyboardInterrupt:
        raise Interrupted(run) from None


def show_lines(out: Screen, chunk: ChunkView) -> None:
    for line in chunk.lines:
        out.line(line)
    out.out.flush()
