"""What was seen of the store's moves, and what of the next look is new. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tinyforge.model import Event, RunId, TriggerId
from tinyforge.store.port.listing import Moves, Place, Revised

MOST_READ = 5_000  # rows of one look
MOST_SHOWN = 1_000  # news of one look
MOST_OPEN = 2_000  # runs looked at again until they are over
MOST_ENDED = 256  # the same, once they are, for one that runs again


class News(Struct, frozen=True, kw_only=True):
    """*too_many*: more than is told one by one."""

    events: Sequence[Event] = ()
    runs: Sequence[RunId] = ()
    revised: Sequence[Revised] = ()
    paused: Sequence[TriggerId] = ()
    resumed: Sequence[TriggerId] = ()
    generation: int | None = None  # None: the config is what it was
    too_many: bool = False


class Sighting:
    """Remembers as much as it takes to tell everything once."""

    def __init__(self) -> None:
        self._moves: Moves | None = None
        self._events: set[int] = set()
        self._revisions: set[int] = set()
        self._runs: dict[RunId, Place] = {}

    @property
    def watched(self) -> list[RunId]:
        return list(self._runs)

    def take(self, moves: Moves, floor: int) -> News:
        """Return what is new in *moves*, which hold all above *floor*; the first time nothing."""
        before, self._moves = self._moves, moves
        news = News() if before is None else self._compared(before, moves)
        self._events = {event.id for event in moves.events if event.id > floor}
        self._revisions = {one.revision_id for one in moves.revised if one.revision_id > floor}
        self._remember({**self._runs, **moves.runs}, floor)
        return news

    def _compared(self, before: Moves, moves: Moves) -> News:
        news = News(
            events=[event for event in moves.events if event.id not in self._events],
            runs=[run for run, place in moves.runs.items() if self._runs.get(run) != place],
            revised=[one for one in moves.revised if one.revision_id not in self._revisions],
            paused=sorted(moves.paused - before.paused),
            resumed=sorted(before.paused - moves.paused),
            generation=moves.generation if moves.generation != before.generation else None,
        )
        read = max(len(moves.events), moves.new_runs, len(moves.revised))
        shown = sum(map(len, (news.events, news.runs, news.revised, news.paused, news.resumed)))
        return News(too_many=True) if read >= MOST_READ or shown > MOST_SHOWN else news

    def _remember(self, runs: dict[RunId, Place], floor: int) -> None:
        fresh = {run: place for run, place in runs.items() if run > floor}
        older = sorted((run for run in runs if run <= floor), reverse=True)
        opened = [run for run in older if not runs[run].state.is_over][:MOST_OPEN]
        ended = [run for run in older if runs[run].state.is_over][:MOST_ENDED]
        self._runs = {run: runs[run] for run in (*opened, *ended)} | fresh
