"""Secrets that are typed into a manifest: taken out of its configs, a reference in their place.

Equal to what is sealed in the same field, it is that one's reference: then nothing has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hmac import compare_digest
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tinyforge.errors import SealBroken, UnknownKind
from tinyforge.ids import read, show
from tinyforge.manifest.entries import Document, TriggerEntry, WorkloadEntry
from tinyforge.manifest.fields import field_of
from tinyforge.manifest.mistakes import Mistakes, quoted_name
from tinyforge.model import Json, Trigger, Workload
from tinyforge.plugins import Plugins
from tinyforge.references import (
    HIDDEN,
    LARGEST_FILE,
    Secret,
    is_literal,
    names_sealed,
    references,
    sealed_as,
    sealed_name,
    spelt_out,
)
from tinyforge.store.port import Catalog, Disused, Owner, TriggerWrite, WorkloadWrite

E = TypeVar("E", TriggerEntry, WorkloadEntry)
SEALED = b"${sealed:"
SHORTEST_GOOD = 16  # characters of a secret that nobody guesses
NOT_HERE = (
    "{} stands for a secret that this very field holds, and it does not;"
    " write the secret itself, or a reference"
)
MISPLACED = (
    "a sealed secret stands only where a secret is asked for; write the value, or ${env:NAME}"
)
TOO_LONG = f"is longer than {LARGEST_FILE // 1024} KiB, which no secret is; write a shorter one"
MASK = f"{HIDDEN} is what a secret is shown as; write the secret itself, or a reference"


class Place(NamedTuple):
    """Where a secret belongs."""

    id: int
    what: Owner
    owner: str
    field: str


class Literal(NamedTuple):
    """A secret that is to be sealed: the config names it already."""

    place: Place
    plain: Secret


def weak(literals: Iterable[Literal]) -> Iterator[str]:
    """Warn of typed secrets that are soon guessed."""
    for place, plain in literals:
        if len(plain.reveal()) < SHORTEST_GOOD:
            yield (
                f"{place.what} {place.owner}: {place.field} is shorter than {SHORTEST_GOOD}"
                " characters, and soon guessed; make one with `openssl rand -hex 32`"
            )


class Sealing(Struct, frozen=True, kw_only=True):
    """*opens*: the value of a sealed secret by its name; None: there is no such one."""

    plugins: Plugins
    opens: Callable[[str], str | None]
    new_id: Callable[[], int]


class Taken(NamedTuple):
    """The document without any secret in it, and those that have to be sealed for it."""

    document: Document
    literals: list[Literal]


def take_out(document: Document, catalog: Catalog, sealing: Sealing) -> Taken:
    """Replace what is typed into fields that hold secrets; mistakes join the document's."""
    taking = _Taking(sealing, document.mistakes.copy())
    triggers = taking.configs("trigger", document.triggers, catalog.triggers)
    workloads = taking.configs("workload", document.workloads, catalog.workloads)
    changed = replace(document, triggers=triggers, workloads=workloads, mistakes=taking.mistakes)
    return Taken(changed, taking.literals)


def disused(
    catalog: Catalog, triggers: Iterable[TriggerWrite], workloads: Iterable[WorkloadWrite]
) -> list[Disused]:
    """Return the sealed secrets that rows held before, and no longer hold."""
    found: list[Disused] = []
    rows = {row.id: row for row in catalog.triggers}
    for write in triggers:
        found += _left("trigger", rows.get(write.row.id), write.row, gone=write.deleted)
    targets = {row.id: row for row in catalog.workloads}
    for one in workloads:
        found += _left("workload", targets.get(one.row.id), one.row, gone=one.deleted)
    return found


class _Taking:
    def __init__(self, sealing: Sealing, mistakes: Mistakes) -> None:
        self._sealing = sealing
        self._fields: dict[tuple[Owner, str], frozenset[str]] = {}
        self.mistakes = mistakes
        self.literals: list[Literal] = []

    def configs(
        self, what: Owner, entries: Mapping[str, E], rows: Iterable[Trigger] | Iterable[Workload]
    ) -> Mapping[str, E]:
        concerned = [one for one in entries.values() if self._concerns(what, one)]
        if not concerned:
            return entries
        held = {row.name: row.config for row in rows}
        changed = {
            one.name: replace(one, config=self._config(what, one, held.get(one.name, {})))
            for one in concerned
        }
        return {**entries, **changed}

    def _concerns(self, what: Owner, entry: TriggerEntry | WorkloadEntry) -> bool:
        fields = self._secret_fields(what, entry.kind)
        return not fields.isdisjoint(entry.config) or SEALED in msgspec.json.encode(entry.config)

    def _secret_fields(self, what: Owner, kind: str) -> frozenset[str]:
        if (what, kind) not in self._fields:
            try:
                fields = self._sealing.plugins.secret_fields(what, kind)
            except UnknownKind:  # which is a mistake of its own
                fields = frozenset()
            self._fields[what, kind] = fields
        return self._fields[what, kind]

    def _config(self, what: Owner, entry: TriggerEntry | WorkloadEntry, held: Json) -> Json:
        secret = self._secret_fields(what, entry.kind)
        config = dict(entry.config)
        for name in secret & config.keys():
            field = _Field(Place(0, what, entry.name, name), _sealed_in(held.get(name)))
            config[name] = self._value(config[name], field, entry.line)
        rest = {key: value for key, value in config.items() if key not in secret}
        for pointer, source, _ in references(rest):
            if source == "sealed":
                self._wrong(entry.line, what, entry.name, field_of(rest, pointer), MISPLACED)
        return config

    def _value(self, value: object, field: _Field, line: int) -> object:
        """Go into lists and mappings, whose texts are secrets of the one field."""
        if isinstance(value, str):
            return self._text(value, field, line)
        if isinstance(value, Mapping):
            return {key: self._value(item, field, line) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(item, field, line) for item in value]
        return value

    def _text(self, text: str, field: _Field, line: int) -> str:
        place = field.place
        if is_literal(text):
            if text == HIDDEN or len(text.encode()) > LARGEST_FILE:
                what = MASK if text == HIDDEN else TOO_LONG
                self._wrong(line, place.what, place.owner, place.field, what)
            return self._sealed(spelt_out(text), field)
        if names_sealed(text) and sealed_name(text) not in field.held:
            self._wrong(line, place.what, place.owner, place.field, NOT_HERE.format(text[:60]))
        return text

    def _sealed(self, plain: str, field: _Field) -> str:
        for name in field.held:
            if self._is(name, plain):
                return sealed_as(name)
        place = field.place._replace(id=self._sealing.new_id())
        self.literals.append(Literal(place, Secret(plain)))
        return sealed_as(show("sec", place.id))

    def _is(self, name: str, plain: str) -> bool:
        try:
            kept = self._sealing.opens(name)
        except SealBroken:  # so that writing it again repairs it
            return False
        return kept is not None and compare_digest(kept.encode(), plain.encode())

    def _wrong(self, line: int, what: Owner, owner: str, field: str, problem: str) -> None:
        self.mistakes.add(line, f"{what}s.{quoted_name(owner)}.{field}", problem)


class _Field(NamedTuple):
    """One field that holds secrets, and the names of those that it has sealed."""

    place: Place
    held: tuple[str, ...]


def _sealed_in(value: object) -> tuple[str, ...]:
    return tuple(name for _, source, name in references(value) if source == "sealed")


def _left(
    what: Owner, before: Trigger | Workload | None, after: Trigger | Workload, *, gone: bool
) -> Iterator[Disused]:
    if before is None:
        return
    kept = () if gone else _sealed_in(after.config)
    for name in _sealed_in(before.config):
        if name not in kept and (number := _number(name)) is not None:
            yield Disused(number, what, before.name)


def _number(name: str) -> int | None:
    try:
        return read("sec", name)
    except ValueError:  # only a hand writes such a thing
        return None
