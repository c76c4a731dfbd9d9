"""What `tinyforge completion` does: a script for a shell, and what may come next on a line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Annotated, Literal, TypeAlias

from cyclopts import App, Argument, Parameter
from msgspec import Struct, json

from tinyforge.cli.client import Api, SocketDoor
from tinyforge.cli.commands import COMMANDS, GROUPS, Command, build
from tinyforge.cli.https import RemoteDoor
from tinyforge.cli.lists import items
from tinyforge.cli.options import DEFAULT, SWITCHES, VALUED, Shared
from tinyforge.cli.remote import read_remote
from tinyforge.cli.screen import screen
from tinyforge.cli.scripts import SCRIPTS
from tinyforge.cli.text import safe
from tinyforge.errors import TinyforgeError
from tinyforge.operations.views import EventView, Page, RunView, TriggerView, WorkloadView
from tinyforge.settings import data_folder

Shell: TypeAlias = Literal["bash", "zsh", "fish"]
PATIENCE = 1.5  # seconds: who presses Tab waits for no more
MOST = 500  # that are offered
OPPOSITES = ("--no-", "--empty-")  # which only the parser knows
NEWEST = 100  # runs and events that are looked at


class Offer(Struct, frozen=True):
    word: str
    about: str = ""


def completion(
    shell: Shell,
    words: Annotated[tuple[str, ...], Parameter(help="With --candidates: the line so far.")] = (),
    /,
    *,
    candidates: Annotated[
        bool, Parameter(help="Say what may come next; the scripts ask for this.")
    ] = False,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    if not candidates:
        script = SCRIPTS[shell]
        if shared.json:
            return out.raw(json.encode({"shell": shell, "script": script}))
        out.out.write(script)
        return 0
    found = list(islice(offers(words, shared), MOST))
    if shared.json:
        return out.raw(json.encode(found))
    for one in found:
        out.out.write(f"{safe(one.word)}\t{safe(one.about)}\n")
    return 0


def offers(words: Sequence[str], shared: Shared) -> Iterator[Offer]:
    """Yield what may stand in place of the last of *words*."""
    *before, begun = [word for word in words if word != "="] or [""]
    typed, shared = _without_shared(before, shared)
    for one in _offers(typed, begun, shared):
        if one.word.startswith(begun):
            yield one


def _without_shared(words: Sequence[str], shared: Shared) -> tuple[Sequence[str], Shared]:
    """Take out what every command takes, and go by it."""
    rest: list[str] = []
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if name in VALUED:
            shared = Shared(data=value if equals else next(left, None), json=shared.json)
        elif word not in SWITCHES:
            rest.append(word)
    return rest, shared


def _offers(typed: Sequence[str], begun: str, shared: Shared) -> Iterable[Offer]:
    if not typed:
        tops = [Offer(one.words, one.what) for one in COMMANDS if " " not in one.words]
        return [*tops, *(Offer(name, what) for name, what in GROUPS.items())]
    if list(typed) == [typed[0]] and typed[0] in GROUPS:
        inner = [one for one in COMMANDS if one.words.startswith(f"{typed[0]} ")]
        return [Offer(one.words.partition(" ")[2], one.what) for one in inner]
    found = _command(typed)
    if found is None:
        return ()
    return _of_command(found, typed[len(found.words.split()) :], begun, shared)


def _command(typed: Sequence[str]) -> Command | None:
    lines = {" ".join(typed[:length]) for length in (1, 2)}
    return next((one for one in COMMANDS if one.words in lines), None)


def _of_command(
    command: Command, given: Sequence[str], begun: str, shared: Shared
) -> Iterable[Offer]:
    app: App = build()
    for word in command.words.split():
        app = app[word]
    arguments = list(app.assemble_argument_collection())
    options = {name: one for one in arguments for name in one.names if name.startswith("-")}
    last = given[-1] if given else ""
    if last in options and not _is_switch(options[last]):
        return _values(options[last], last, shared)
    if begun.startswith("-"):
        return [
            Offer(name, one.parameter.help or "")
            for name, one in options.items()
            if name.startswith("--") and not name.startswith(OPPOSITES) and name not in given
        ]
    places = [one for one in arguments if not one.names[0].startswith("-")]
    at = _taken(given, options)
    if at >= len(places):
        return ()
    name = "TRIGGER" if command.words.startswith("trigger ") else places[at].names[0]
    return _values(places[at], name, shared)


def _is_switch(argument: Argument) -> bool:
    return argument.hint is bool


def _taken(given: Sequence[str], options: Mapping[str, Argument]) -> int:
    """Count the words in *given* that are neither an option nor its value."""
    count, left = 0, iter(given)
    for word in left:
        if word in options and not _is_switch(options[word]):
            next(left, None)
        elif not word.startswith("-"):
            count += 1
    return count


def _values(argument: Argument, name: str, shared: Shared) -> Iterable[Offer]:
    choices = argument.get_choices() or ()
    source = SOURCES.get(name.removeprefix("--").upper())
    if choices or source is None:
        return [Offer(choice) for choice in choices]
    return _asked(source, shared)


# --- what only a server knows

Source: TypeAlias = Callable[[Api], Iterator[Offer]]


def _triggers(api: Api) -> Iterator[Offer]:
    for one in items(api.rows("/triggers", {}), TriggerView):
        yield Offer(one.name, one.says or one.kind)


def _workloads(api: Api) -> Iterator[Offer]:
    for one in items(api.rows("/workloads", {}), WorkloadView):
        yield Offer(one.name, one.kind)


def _runs(api: Api) -> Iterator[Offer]:
    for one in api.get("/runs", Page[RunView], {"limit": NEWEST}).read().items:
        yield Offer(one.id, f"{one.workload} {one.state}")


def _events(api: Api) -> Iterator[Offer]:
    for one in api.get("/events", Page[EventView], {"limit": NEWEST}).read().items:
        yield Offer(one.id, one.trigger)


SOURCES: Mapping[str, Source] = {
    "TRIGGER": _triggers,
    "WORKLOAD": _workloads,
    "RUN": _runs,
    "EVENT": _events,
}


def _asked(source: Source, shared: Shared) -> Iterable[Offer]:
    """Ask a server that answers soon; offer nothing where none does."""
    try:
        remote = read_remote(os.environ) if shared.data is None else None
        door = (
            SocketDoor(data_folder(os.environ, shared.data), PATIENCE)
            if remote is None
            else RemoteDoor(remote, PATIENCE)
        )
        with closing(door):
            door.connect()
            return list(source(Api(door, live=True)))
    except TinyforgeError:
        return ()
