"""What is refused of a JSON body before anything else looks at it.

A body is first read quickly and proved to be harmless; one that cannot be proved is read slowly, to
say what is wrong with it.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from itertools import accumulate

import msgspec

DEEPEST = 64
MOST_BRACKETS = 200_000
MOST_KEYS = 200_000
SMALLEST, LARGEST = -(2**63), 2**64 - 1
LONGEST_NUMBER = 400  # digits; no number that fits needs more

TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]|:', re.DOTALL)
DIGITS_TO_ZEROS = bytes(ord("0") if byte in b"0123456789" else byte for byte in range(256))
LONG_NUMBER = b"0" * 19  # shorter ones fit into 64 bits
ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
CONTAINERS = (dict, list)
STEPS = {byte: 1 if byte in b"[{" else -1 for byte in b"[]{}"}


def parsed(body: bytes) -> object:
    """Return what *body* holds; raise ValueError where two programs may read it differently."""
    try:
        return _proved(body)
    except (ValueError, msgspec.DecodeError):
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

    Up to its first mistake, the outline has every bracket and colon of the body and no others.
    """
    outline = _without_strings(body)
    brackets = outline.translate(None, ALL_BUT_BRACKETS)
    keys = outline.count(b":")
    if max(keys, len(brackets)) > MOST_KEYS or LONG_NUMBER in outline.translate(DIGITS_TO_ZEROS):
        raise ValueError("large")
    if max(accumulate(map(STEPS.__getitem__, brackets)), default=0) > DEEPEST:
        raise ValueError("deep")
    value: object = msgspec.json.decode(body)
    if _count_keys(value) != keys:
        raise ValueError("a key stands twice")
    return value


def _without_strings(body: bytes) -> bytes:
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(body.split(b'"')[::2])


def _count_keys(value: object) -> int:
    keys, level = 0, [value] if isinstance(value, CONTAINERS) else []
    while level:
        keys += sum(len(one) for one in level if type(one) is dict)
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, CONTAINERS)
        ]
    return keys


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
    except ValueError as problem:  # also JSONDecodeError and UnicodeDecodeError
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
