"""What is refused of a JSON body before anything else looks at it.

A body is first read quickly and proved to be harmless; one that cannot be proved is read slowly, to
say what is wrong with it.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence

import msgspec

DEEPEST = 64
MOST_BRACKETS = 200_000
MOST_KEYS = 200_000
SMALLEST, LARGEST = -(2**63), 2**64 - 1
LONGEST_NUMBER = 400  # digits; no number that fits needs more

TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]|:', re.DOTALL)
ENCODE = msgspec.json.Encoder().encode
PACK = msgspec.msgpack.Encoder().encode
LARGEST_UNCOUNTED = 2 * MOST_BRACKETS  # bytes: no fewer hold so many


def parsed(body: bytes) -> object:
    """Return what *body* holds; raise ValueError where two programs may read it differently."""
    try:
        return _proved(body)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return _read_slowly(body)


def refusal_of(body: bytes) -> str | None:
    """Say why *body* is not JSON that two programs would read alike; None: it is."""
    try:
        parsed(body)
    except ValueError as problem:
        return str(problem)
    return None


def _proved(body: bytes) -> object:
    """Return what *body* holds, or raise ValueError where this quick look proves nothing.

    What is written again as just that text has every key once. Else: in the text each key and each
    string stands between two quotes. Where a key stands twice, one key fewer is in the value, and
    no string more: so the two counts are the same only if none does.
    """
    if len(body) > LARGEST_UNCOUNTED and body.count(b"[") + body.count(b"{") > MOST_BRACKETS:
        raise ValueError("large")
    value: object = msgspec.json.decode(body)
    if _is_shallow(body) and ENCODE(value) == body and _has_usual_numbers(value):
        return value
    if _count_quoted(value) * 2 != _without_escapes(body).count(b'"'):
        raise ValueError("a key stands twice")
    return value


def _is_shallow(body: bytes) -> bool:
    """Say whether *body* is too short for too many keys, and opens too little to be deep."""
    return len(body) <= LARGEST_UNCOUNTED and body.count(b"[") + body.count(b"{") <= DEEPEST


def _has_usual_numbers(value: object) -> bool:
    """Say whether each number fits into 64 bits: MessagePack has no others."""
    try:
        PACK(value)
    except OverflowError:
        return False
    return True


def _without_escapes(body: bytes) -> bytes:
    """Return *body* without the quotes that stand in its strings."""
    if b"\\" not in body:
        return body
    return body.replace(b"\\\\", b"").replace(b'\\"', b"")


def _count_quoted(value: object) -> int:
    """Return how many keys and strings *value* has; ValueError: it is too deep, or large."""
    level: list[Sequence[object]] = [[value]]
    keys = strings = 0
    for _ in range(DEEPEST + 1):
        inner: list[Sequence[object]] = []
        for values in level:
            for one in values:
                if isinstance(one, str):
                    strings += 1
                elif isinstance(one, dict):
                    keys += len(one)
                    inner.append(list(one.values()))
                elif isinstance(one, list):
                    inner.append(one)
                elif isinstance(one, int) and not SMALLEST <= one <= LARGEST:
                    raise ValueError("a large number")
        if not inner and keys <= MOST_KEYS:
            return keys + strings
        level = inner
    raise ValueError("too much of it")


def _read_slowly(body: bytes) -> object:
    try:
        _refuse_deep(body)
        value: object = json.loads(
            body.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=_bounded,
            parse_float=_finite,
        )
        if b"\\u" in body:
            _refuse_surrogates(value)
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise ValueError(f"{place} is no JSON: {problem.msg}") from None
    except ValueError as problem:  # also UnicodeDecodeError
        raise ValueError(str(problem)) from None
    return value


def _refuse_deep(body: bytes) -> None:
    depth = brackets = keys = 0
    for token in TOKENS.finditer(body):
        match token[0]:
            case b"[" | b"{":
                depth, brackets = depth + 1, brackets + 1
            case b"]" | b"}":
                depth -= 1
            case b":":
                keys += 1
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST}")
        if brackets > MOST_BRACKETS:
            raise ValueError(f"more than {MOST_BRACKETS} objects and lists")
        if keys > MOST_KEYS:
            raise ValueError(f"more than {MOST_KEYS} keys")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _bounded(text: str) -> int:
    number = int(text) if len(text) <= LONGEST_NUMBER else LARGEST + 1
    if not SMALLEST <= number <= LARGEST:
        raise ValueError(f"the number {text[:24]}… does not fit into 64 bits")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:24]} is too large")
    return number


def _refuse_surrogates(value: object) -> None:
    match value:
        case str():
            _encoded(value)
        case dict():
            for key, inner in value.items():
                _encoded(key)
                _refuse_surrogates(inner)
        case list():
            for inner in value:
                _refuse_surrogates(inner)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError("a string holds half of a surrogate pair, which is no text") from None
