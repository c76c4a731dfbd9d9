"""What is refused of a JSON body before anything else looks at it. Pure."""

from __future__ import annotations

import json
import math
import re

DEEPEST = 64
MOST_BRACKETS = 200_000
SMALLEST, LARGEST = -(2**63), 2**64 - 1
LONGEST_NUMBER = 400  # digits; no number that fits needs more

TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)


def refusal_of(body: bytes) -> str | None:
    """Say why *body* is not JSON that two programs would read alike; None: it is."""
    try:
        _refuse_deep(body)
        value = json.loads(
            body.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=_bounded,
            parse_float=_finite,
        )
        if b"\\u" in body:
            _refuse_surrogates(value)
    except ValueError as problem:  # also JSONDecodeError and UnicodeDecodeError
        return str(problem)
    return None


def _refuse_deep(body: bytes) -> None:
    depth = brackets = 0
    for token in TOKENS.finditer(body):
        match token[0]:
            case b"[" | b"{":
                depth, brackets = depth + 1, brackets + 1
            case b"]" | b"}":
                depth -= 1
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST}")
        if brackets > MOST_BRACKETS:
            raise ValueError(f"more than {MOST_BRACKETS} objects and lists")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
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
