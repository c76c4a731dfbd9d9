"""What `tinyforge watch` does: a line for each thing that changes, until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Annotated

from cyclopts import Parameter
from msgspec import MsgspecError, Raw, json

from tinyforge.cli.client import Api, named
from tinyforge.cli.failure import CommandFailed
from tinyforge.cli.messages import Message
from tinyforge.cli.moments import show_length
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.text import safe_line
from tinyforge.operations.views import ConfigMoved, EventView, ResetView, RunView, SwitchedView

FIRST, LONGEST = 0.5, 10.0  # seconds before the next try to get back to a server
SLOWER = 2
WIDE = 11  # columns of the longest word for a state


def watch(
    *,
    trigger: Annotated[str | None, Parameter(help="Only of this trigger.")] = None,
    workload: Annotated[str | None, Parameter(help="Only of this workload.")] = None,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    with reach(out, Offline.NOTHING) as api:
        _must_be_there(api, trigger, workload)
        for message in _told(out, api):
            if shared.json:
                _raw(out, message)
            elif line := _line(out, message, trigger, workload):
                out.out.write(line + "\n")
                out.out.flush()
    return 0


def _must_be_there(api: Api, trigger: str | None, workload: str | None) -> None:
    """Ask for what is watched, so that a slip of the hand is not watched in silence for ever."""
    if trigger is not None:
        api.get(f"/triggers/{named(trigger)}", Raw)
    if workload is not None:
        api.get(f"/workloads/{named(workload)}", Raw)


def _told(out: Screen, api: Api, rest: Callable[[float], None] = time.sleep) -> Iterator[Message]:
    """Yield what is told, and go on behind it at the same server or the next when it goes away."""
    last, pause, was_there = "", FIRST, False
    while True:
        try:
            for message in api.stream("/stream", last):
                last, pause, was_there = message.id or last, FIRST, True
                yield message
            gone = "the server ended it"
        except CommandFailed as problem:
            if not was_there:
                raise
            gone = problem.problem
        out.hint(f"{gone}; trying again")
        rest(pause)
        pause = min(LONGEST, pause * SLOWER)


def _raw(out: Screen, message: Message) -> None:
    told = {"id": message.id, "event": message.name, "data": Raw(message.data)}
    out.out.write(json.encode(told).decode() + "\n")
    out.out.flush()


def _line(out: Screen, message: Message, trigger: str | None, workload: str | None) -> str:
    """Return what people see of it; nothing of what they did not ask for."""
    try:
        match message.name:
            case "event":
                return _event(out, json.decode(message.data, type=EventView), trigger, workload)
            case "run":
                return _run(out, json.decode(message.data, type=RunView), trigger, workload)
            case "trigger":
                return _switched(json.decode(message.data, type=SwitchedView), trigger, workload)
            case "config":
                moved = json.decode(message.data, type=ConfigMoved)
                return "" if trigger or workload else _config(moved)
            case "ready":
                out.hint("watching; Ctrl-C ends it")
            case "reset":
                missing = json.decode(message.data, type=ResetView)
                out.hint(f"something may be missing here: {missing.why}")
    except (MsgspecError, ValueError) as problem:
        raise CommandFailed(
            f"the server tells of what this program does not know: {problem}", "upgrade it"
        ) from problem
    return ""


def _event(out: Screen, event: EventView, trigger: str | None, workload: str | None) -> str:
    if workload or trigger not in {None, event.trigger}:
        return ""
    why = f"late by {show_length(event.late_by_us)}" if event.window else event.actor or ""
    words = f"{event.trigger}  {event.id}  {why}".rstrip()
    return _told_line(out, out.when(event.accepted_at), "event", words)


def _run(out: Screen, run: RunView, trigger: str | None, workload: str | None) -> str:
    if trigger not in {None, run.trigger} or workload not in {None, run.workload}:
        return ""
    when = run.ended_at or run.started_at or run.queued_at
    took = f"  {show_length(run.took_us)}" if run.ended_at and run.took_us is not None else ""
    because = run.error or run.waiting or ""
    words = f"{run.workload}  {run.id}{took}" + (f"  {because}" if because else "")
    return _told_line(out, out.when(when), run.state, words)


def _switched(view: SwitchedView, trigger: str | None, workload: str | None) -> str:
    if workload or trigger not in {None, view.trigger}:
        return ""
    return f"{safe_line(view.trigger)} was {'paused' if view.paused else 'resumed'}"


def _config(moved: ConfigMoved) -> str:
    if not moved.name:
        return "the config has changed"
    return safe_line(f"{moved.what} {moved.name} has changed")


def _told_line(out: Screen, when: str, word: str, words: str) -> str:
    return f"{when}  {out.state(word)}{' ' * max(0, WIDE - len(word))}  {safe_line(words)}"
