"""The keys of a rule, compiled: each says of one change why it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeAlias

from msgspec import Struct

from tinyforge.changes import Change
from tinyforge.rules.globs import Glob
from tinyforge.rules.versions import Range
from tinyforge.rules.words import any_of, shown

Pattern: TypeAlias = Glob | Range

NAMES: Mapping[str, Callable[[Change], str]] = MappingProxyType(
    {
        "repository": lambda change: change.repository,
        "branch": lambda change: change.branch,
        "tag": lambda change: change.tag,
        "image": lambda change: change.image,
    }
)
CASELESS = frozenset({"repository"})  # forges find a repository in any case
KEYS = ("events", *NAMES, "paths", "paths_ignore", "skip_markers", "when")


class Test(Protocol):
    def why_not(self, change: Change) -> str:
        """Say why *change* does not fit; nothing where it does."""
        ...


class Events(Struct, frozen=True):
    listed: tuple[str, ...]

    def why_not(self, change: Change) -> str:
        event = event_of(change)
        return "" if event in self.listed else f"event is {event}, not {any_of(self.listed)}"


class Named(Struct, frozen=True):
    key: str
    patterns: tuple[Pattern, ...]

    def why_not(self, change: Change) -> str:
        found = NAMES[self.key](change)
        if found and any(pattern.matches(found) for pattern in self.patterns):
            return ""
        wanted = any_of(pattern.text for pattern in self.patterns)
        if not found:
            return f"it has no {self.key}, {wanted} is wanted"
        hints = [one.hint(found) for one in self.patterns if isinstance(one, Range)]
        return f"{self.key} is {shown(found)}, not {wanted}{hints[0] if hints else ''}"


class Paths(Struct, frozen=True):
    wanted: tuple[Glob, ...]  # none: every file
    ignored: tuple[Glob, ...]

    def why_not(self, change: Change) -> str:
        files = known_files(change)
        if files is None or any(self._counts(file) for file in files):
            return ""
        if not files:
            return "no file was changed"
        if not self.wanted:
            return f"all changed files are ignored ({_places(self.ignored)})"
        but = f" that is not ignored ({_places(self.ignored)})" if self.ignored else ""
        return f"no changed file {_places(self.wanted)}{but}"

    def _counts(self, file: str) -> bool:
        taken = not self.wanted or any(glob.matches(file) for glob in self.wanted)
        return taken and not any(glob.matches(file) for glob in self.ignored)


class SkipMarkers(Struct, frozen=True):
    """Texts in any case; one of them in the message, and the change does not fit."""

    markers: tuple[str, ...]

    def why_not(self, change: Change) -> str:
        message = change.message.casefold()
        found = [marker for marker in self.markers if marker.casefold() in message]
        return f"the message holds {shown(found[0])}" if found else ""


def event_of(change: Change) -> str:
    return "delete" if change.deleted else change.event


def known_files(change: Change) -> Sequence[str] | None:
    """Return the changed files; None where the list cannot be relied on."""
    return None if change.forced or change.created else change.files


def why_unknown(change: Change) -> str:
    """Say why the changed files are not known."""
    if change.forced:
        return "forced push"
    if change.created:
        return f"new {'tag' if change.tag else 'branch'}"
    return "the list is missing or cut"


def _places(globs: Sequence[Glob]) -> str:
    return any_of(glob.place for glob in globs)
