"""What `preview` and `simulate` do: look at windows that are still to come."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from tinyforge.cli.chart import FEWEST, MOST, Load, bars, draw
from tinyforge.cli.client import named
from tinyforge.cli.failure import CalledWrongly
from tinyforge.cli.moments import read_moment, show_length
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column
from tinyforge.cli.text import counted
from tinyforge.clock import MINUTE, SystemClock, moment, rfc3339
from tinyforge.operations.answers import PreviewView, SimulateView, WindowView

PIPED = 80  # columns where no terminal says how many
BESIDE = 14  # columns that the scale and a margin take
MOST_WINDOWS = 1_000
Count: TypeAlias = Annotated[
    int,
    Parameter(
        validator=Number(gte=1, lte=MOST_WINDOWS), show_default=True, help="How many windows."
    ),
]
COLUMNS = (
    Column("WINDOW", whole=True),
    Column("TRIGGER"),
    Column("OWN ZONE", whole=True, leave_out=2),
    Column("WORKLOADS", leave_out=1),
)


def preview(
    trigger: str | None = None,
    /,
    *,
    count: Count = 10,
    after: Annotated[
        str, Parameter(allow_leading_hyphen=True, show_default=True, help="Only later ones.")
    ] = "now",
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    query = {"count": count, "after": _moment(after, shared) if after != "now" else None}
    path = "/preview" if trigger is None else f"/triggers/{named(trigger)}/preview"
    with reach(out, Offline.READ) as api:
        reply = api.get(path, PreviewView, query)
    if shared.json:
        return out.raw(reply.body)
    view = reply.read()
    if not out.table(COLUMNS, (_window(out, window) for window in view.windows)):
        out.hint("no windows ahead")
    for note in view.notes:
        out.hint(out.words(note))
    out.next(view.next_command)
    return 0


def _window(out: Screen, window: WindowView) -> tuple[str, ...]:
    own = f"{window.local[:16].replace('T', ' ')} {window.timezone}"
    return out.when(window.window), window.trigger, own, ", ".join(window.workloads)


def simulate(
    *,
    from_: Annotated[
        str,
        Parameter(
            name="--from", show_default=True, allow_leading_hyphen=True, help="Where it begins."
        ),
    ] = "now",
    to: Annotated[
        str, Parameter(allow_leading_hyphen=True, show_default=True, help="Where it ends.")
    ] = "+1d",
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    since, until = _moment(from_, shared), _moment(to, shared)
    if _micros(since) >= _micros(until):
        raise CalledWrongly(f"--to {to} is not later than --from {from_}", "swap them")
    with reach(out, Offline.READ) as api:
        reply = api.get("/simulate", SimulateView, {"from": since, "to": until})
    if shared.json:
        return out.raw(reply.body)
    _simulated(out, reply.read())
    return 0


def _simulated(out: Screen, view: SimulateView) -> None:
    until = view.cut_at or view.until
    out.line(f"{counted(view.total, 'fire')} from {out.when(view.since)} to {out.when(until)}")
    if view.cut_at:
        out.hint(f"cut at {out.when(view.cut_at)}: too many windows; ask for a shorter time")
    if view.busiest:
        fires = counted(view.busiest.fires, "fire")
        out.line(f"busiest minute: {out.when(view.busiest.minute)}, {fires}")
        _chart(out, view, until)
    for note in view.notes:
        out.hint(out.words(note))
    out.next(view.next_command)


def _chart(out: Screen, view: SimulateView, until: str) -> None:
    most = min(MOST, max(FEWEST, (out.width or PIPED) - BESIDE))
    loads = [Load(_micros(one.minute), one.fires) for one in view.minutes]
    shown = bars(loads, _micros(view.since), _micros(until), most)
    out.line()
    stretch = show_length(shown.minutes * MINUTE)
    each = "minute" if shown.minutes == 1 else f"minute, the busiest of each {stretch}"
    out.line(f"fires per {each}")
    for line in draw(shown, out.when(view.since), out.when(until), blocks=out.blocks):
        out.line(line)


def _moment(typed: str, shared: Shared) -> str:
    return rfc3339(read_moment(typed, SystemClock().now(), in_utc=shared.utc))


def _micros(text: str) -> int:
    return moment(datetime.fromisoformat(text))
