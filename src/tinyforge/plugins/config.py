"""A config as people write it, held against the fields of a kind: every mistake, in their words."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, is_dataclass
from difflib import get_close_matches
from enum import Enum
from types import MappingProxyType, UnionType
from typing import (
    Annotated,
    Generic,
    Literal,
    TypeAlias,
    TypeGuard,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import Meta, Struct

from tinyforge.model import Json

K = TypeVar("K")
Mistake: TypeAlias = tuple[
    str | None, str
]  # field as `env.BRANCH` or `command[0]`, and the problem

TOO_MANY = 100  # mistakes of one config; more help nobody
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "str": "text",
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "array": "a list",
        "object": "a mapping",
        "null": "nothing",
        "datetime": "a moment",
    }
)
EXPECTED = re.compile(r"Expected `([^`]*)`(.*?)(?:, got `([^`]*)`)?", re.DOTALL)


class Field(Struct, frozen=True, kw_only=True):
    """One config key; *meaning* is the `msgspec.Meta(description=…)` of its annotation."""

    name: str
    meaning: str
    required: bool


class Schema(Generic[K]):
    """The fields of one kind, read once."""

    def __init__(self, cls: type[K]) -> None:
        hints: Mapping[str, object] = get_type_hints(cls, include_extras=True)
        declared = (
            [field for field in dataclasses.fields(cls) if field.init] if is_dataclass(cls) else []
        )
        self.cls = cls
        self._types = {field.name: hints[field.name] for field in declared}
        self._required = frozenset(
            field.name
            for field in declared
            if field.default is MISSING and field.default_factory is MISSING
        )
        self.secret_fields = frozenset(  # the keys that hold secrets, by their type
            name for name, kind in self._types.items() if _is_secret(kind)
        )

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(
            Field(name=name, meaning=_meaning(kind), required=name in self._required)
            for name, kind in self._types.items()
        )

    def build(self, config: Json) -> K:
        """Return the kind; only for a config without mistakes."""
        return msgspec.convert(dict(config), self.cls)

    def build_flawless(self, config: Json) -> K | None:
        """Return the kind, or None where `mistakes` has something to say of *config*."""
        if not config.keys() <= self._types.keys():
            return None
        try:
            return self.build(config)
        except Exception:  # noqa: BLE001 - plugin code: __post_init__ may raise anything
            return None

    def mistakes(self, config: Json) -> list[Mistake]:
        """Return everything that is wrong with *config*."""
        wrong = [found for key in config for found in self._of_field(str(key), config[key])]
        bad = {_head(field) for field, _ in wrong if field}
        good = {key: value for key, value in config.items() if key not in bad}
        wrong += [(name, "is missing") for name in self._types if self._lacks(name, config)]
        if not self._required <= good.keys():
            return wrong[:TOO_MANY]
        refused = list(self._refusals(good))
        if wrong:  # what had to be left out may be all that a refusal is about
            refused = [mistake for mistake in refused if mistake[0] and _head(mistake[0]) in good]
        return (wrong + refused)[:TOO_MANY]

    def _lacks(self, name: str, config: Json) -> bool:
        return name in self._required and name not in config

    def _of_field(self, key: str, value: object) -> Iterator[Mistake]:
        if key in self._types:
            yield from _of_value(key, self._types[key], value)
        else:
            yield key, f"unknown field; {_suggest(key, self._types)}"

    def _refusals(self, config: Json) -> Iterator[Mistake]:
        """Yield what `__post_init__` says: lines of `field: problem`."""
        try:
            self.build(config)
        except msgspec.ValidationError as problem:
            for line in str(problem).splitlines():
                field, colon, rest = line.partition(": ")
                yield (field, rest) if colon and _head(field) in self._types else (None, line)
        except Exception as problem:  # noqa: BLE001 - plugin code: __post_init__ may raise anything
            yield None, f"{type(problem).__name__}: {problem}"


def _meaning(kind: object) -> str:
    if get_origin(kind) is not Annotated:
        return ""
    metas = (meta for meta in get_args(kind) if isinstance(meta, Meta))
    return next((meta.description for meta in metas if meta.description), "")


def _is_secret(kind: object) -> bool:
    if get_origin(kind) is Annotated:
        inner, *notes = get_args(kind)
        metas = (note for note in notes if isinstance(note, Meta))
        return any((meta.extra or {}).get("secret") for meta in metas) or _is_secret(inner)
    return get_origin(kind) in {Union, UnionType} and any(map(_is_secret, get_args(kind)))


def _of_value(path: str, kind: object, value: object) -> Iterator[Mistake]:
    """Go into mappings and lists, so that each item is judged and named by itself."""
    for arm in _arms(kind):
        inner = get_args(arm)
        if get_origin(arm) is dict and isinstance(value, Mapping):
            for key, item in value.items():
                yield from _of_value(f"{path}.{key}", inner[1], item)
        elif get_origin(arm) in {tuple, list} and inner[1:] in {(), (...,)} and _is_list(value):
            for place, item in enumerate(value):
                yield from _of_value(f"{path}[{place}]", inner[0], item)
    problem = _misfit(kind, value)
    if problem and " - at `" not in problem:  # else it was found above, and named better
        yield path, _in_words(problem, kind, value)


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple)


def _arms(kind: object) -> tuple[object, ...]:
    """Return what *kind* may be, without its annotations."""
    if get_origin(kind) is Annotated:
        return _arms(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        return tuple(arm for one in get_args(kind) for arm in _arms(one))
    return (kind,)


def _misfit(kind: object, value: object) -> str | None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as problem:
        return str(problem)
    except RecursionError:
        return "nested too deep"
    return None


def _head(field: str) -> str:
    return re.split(r"[.\[]", field, maxsplit=1)[0]


def _suggest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, known := list(known), 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"


def _in_words(problem: str, kind: object, value: object) -> str:
    """Turn what msgspec says into what a person who wrote a config understands."""
    if problem.startswith("Invalid enum value"):
        choices = [str(choice) for choice in _choices(kind)]
        return f"{value!r} is not one of: {', '.join(choices)}"
    if key := re.search(r"unknown field `(.*)`", problem):
        return f"unknown key {key[1]!r}; {_suggest(key[1], _keys(kind))}"
    if key := re.search(r"missing required field `(.*)`", problem):
        return f"the key {key[1]!r} is missing"
    if expected := EXPECTED.fullmatch(problem):
        wanted, bounds, got = expected.groups()
        words = f"must be {' or '.join(WORDS.get(one, one) for one in wanted.split(' | '))}{bounds}"
        quote = (
            "; put quotes around it" if "str" in wanted and isinstance(value, int | float) else ""
        )
        return f"{words}, not {WORDS.get(got, got)}{quote}" if got else words
    return problem


def _choices(kind: object) -> Iterator[object]:
    """Every value that the enums and literals in *kind* allow."""
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        yield from (member.value for member in kind)
    else:
        for part in get_args(kind):
            yield from _choices(part)


def _keys(kind: object) -> Iterator[str]:
    """Every key that the records in *kind* have."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield from kind.__struct_encode_fields__
    elif isinstance(kind, type) and is_dataclass(kind):
        yield from (field.name for field in dataclasses.fields(kind))
    else:
        for part in get_args(kind):
            yield from _keys(part)
