"""What a store keeps of a schedule, in lists; and ways to tamper with it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tinyforge.clock import SECOND, Moment
from tinyforge.schedule.decision import Decision, State
from tinyforge.schedule.ledger import Epoch, Fired, History, SkippedSpan
from tinyforge.schedule.spec import Spec


class Book:
    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.fired: list[Fired] = []
        self.skipped: list[SkippedSpan] = []

    def write(self, decision: Decision, spec: Spec | None, now: Moment) -> None:
        if decision.fire is not None:
            folded = decision.fire.folded
            self.fired.append(
                Fired(
                    epoch=decision.epoch,
                    window=decision.fire.window,
                    last_fired_at=decision.state.last_fired_at,
                    folded=folded.count if folded else 0,
                    folded_from=folded.oldest if folded else None,
                    fired_at=now,
                )
            )
        if decision.skipped is not None:
            self.skipped.append(
                SkippedSpan(
                    epoch=decision.epoch,
                    oldest=decision.skipped.span.oldest,
                    newest=decision.skipped.span.newest,
                    count=decision.skipped.span.count,
                    reason=decision.skipped.reason,
                )
            )
        if decision.why is not None:
            self.epochs.append(epoch_of(decision, spec))

    def history(self, state: State) -> History:
        return History(
            epochs=self.epochs, fired=tuple(self.fired), skipped=tuple(self.skipped), state=state
        )


def epoch_of(decision: Decision, spec: Spec | None) -> Epoch:
    assert decision.why is not None
    begun = decision.state
    return Epoch(
        epoch=begun.epoch,
        spec=spec,
        since=begun.since,
        base=begun.base,
        opening=begun.opening,
        decided_from=begun.decided_until,
        why=decision.why,
        before_until=decision.before_until,
    )


def tamper(history: History) -> Iterator[tuple[str, History]]:
    """Change one thing at a time, as a fault of ours or a hand in the database would."""
    yield from _with_fires(history, list(history.fired))
    yield from _with_spans(history, list(history.skipped))


def _with_fires(history: History, fired: list[Fired]) -> Iterator[tuple[str, History]]:
    for n in {0, len(fired) // 2, len(fired) - 1} if fired else ():
        fire = fired[n]
        rest = [*fired[:n], *fired[n + 1 :]]
        yield "an event deleted", replace(history, fired=rest)
        again = SkippedSpan(
            epoch=fire.epoch, oldest=fire.window, newest=fire.window, count=1, reason="late"
        )
        yield "a window doubled", replace(history, skipped=_put(history.skipped, again))
        assert fire.last_fired_at is not None
        moved = replace(fire, last_fired_at=fire.last_fired_at - SECOND)
        yield "last_fired_at moved", replace(history, fired=[*fired[:n], moved, *fired[n + 1 :]])
        if fire.folded_from is not None:
            cut = replace(fire, folded=0, folded_from=None)
            yield "a fold cut", replace(history, fired=[*fired[:n], cut, *fired[n + 1 :]])
    last = history.state.last_fired_at
    if fired and last is not None and last == fired[-1].last_fired_at:
        row = replace(history.state, last_fired_at=last - SECOND)
        if history.epochs[-1].spec is not None and fired[-1].epoch == row.epoch:
            yield "the row's last_fired_at moved", replace(history, state=row)


def _with_spans(history: History, skipped: list[SkippedSpan]) -> Iterator[tuple[str, History]]:
    for n in {0, len(skipped) - 1} if skipped else ():
        span, rest = skipped[n], [*skipped[:n], *skipped[n + 1 :]]
        yield "a span removed", replace(history, skipped=rest)
        yield "a span doubled", replace(history, skipped=_put(skipped, span))
        if span.oldest < span.newest:
            short = replace(span, newest=span.oldest, count=1)
            yield "a span cut short", replace(history, skipped=_put(rest, short))
        wrong = replace(span, count=(span.count or 0) + 1)
        yield "a count changed", replace(history, skipped=_put(rest, wrong))


def _put(spans: object, one: SkippedSpan) -> list[SkippedSpan]:
    assert isinstance(spans, list | tuple)
    return sorted([*spans, one], key=lambda span: (span.epoch, span.oldest))
