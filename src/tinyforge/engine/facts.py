"""What of a delivery is stored as its event's facts, and what of them a run is told. Pure.

`docs/reference/event.md` describes both for users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import fields, replace

from tinyforge.changes import Change
from tinyforge.model import Event, Json

LARGEST = 256 * 1024  # bytes of JSON
SOME_FILES = 100  # that are still named where the list is cut
LONGEST_MESSAGE = 4 * 1024  # characters, where all of it is too large
DEFAULTS = tuple((one.name, None if one.required else one.default) for one in fields(Change))

encode = msgspec.json.Encoder().encode


def facts_of(changes: Sequence[Change]) -> Json | None:
    """Return the facts of an event, cut where they are too large; None: that would not help.

    A list of changed files that is cut is unknown to match rules, and so matches. Of too many
    changes the last ones stay, for of those that match the last is deployed.
    """
    facts: dict[str, object] = {"changes": [_brief(change) for change in changes]}
    if _size(facts) <= LARGEST:
        return facts
    cut = [_without_files(one) for one in map(_brief, changes)]
    facts = {"changes": cut, "truncated": ["files"]}
    if _size(facts) <= LARGEST:
        return facts
    kept = _last_that_fit([_shorter(one) for one in cut])
    dropped = len(changes) - len(kept)
    facts = {"changes": kept, "truncated": ["files", "message"]}
    if dropped:
        facts |= {"truncated": ["files", "message", "changes"], "changes_left_out": dropped}
    return facts if kept else None


def told_to_run(event: Event, place: int | None) -> Event:
    """Return the event as a run sees it: the facts of the change that it deploys come first."""
    listed = event.facts.get("changes")
    if not isinstance(listed, list) or not listed:
        return event
    chosen = listed[-1 if place is None or place >= len(listed) else place]
    if not isinstance(chosen, Mapping):
        return event
    return replace(event, facts={**chosen, **event.facts})


def has_several(event: Event) -> bool:
    listed = event.facts.get("changes")
    return isinstance(listed, list) and len(listed) > 1


def _brief(change: Change) -> dict[str, object]:
    """Leave out what is not known or not so."""
    found: dict[str, object] = {}
    for name, usual in DEFAULTS:
        value: object = getattr(change, name)
        if value != usual:
            found[name] = value
    return found


def _without_files(change: dict[str, object]) -> dict[str, object]:
    files = change.pop("files", None)
    if isinstance(files, Sequence) and files:
        change |= {"some_files": list(files[:SOME_FILES]), "files_in_all": len(files)}
    return change


def _shorter(change: dict[str, object]) -> dict[str, object]:
    change.pop("some_files", None)
    message = change.get("message")
    if isinstance(message, str) and len(message) > LONGEST_MESSAGE:
        change["message"] = f"{message[:LONGEST_MESSAGE]}…"
    return change


def _last_that_fit(changes: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    left = LARGEST - 200  # what stands around them
    kept: list[dict[str, object]] = []
    for change in reversed(changes):
        left -= _size(change) + 1
        if left < 0:
            break
        kept.append(change)
    return kept[::-1]


def _size(value: object) -> int:
    return len(encode(value))
