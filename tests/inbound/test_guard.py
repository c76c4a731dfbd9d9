from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyforge.inbound.guard import DEEPEST, refusal_of

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"x": [{"a": 1, "b": 2, "a": 3}]}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 18446744073709551616}', "64 bits"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "64 bits"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"[" * 100_000, "nested deeper than 64"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested deeper than 64"),
        (b"[" + b"[],[]," * 150_000 + b"1]", "more than 200000"),
        (b'"\xff"', "utf-8"),
        (b"{bad", "property name"),
        (b'{"a": 1} x', "Extra data"),
        (b'"never ends', "Unterminated"),
        (b"\xef\xbb\xbf{}", "BOM"),
    ],
)
def test_a_body_that_two_programs_may_read_differently_is_refused(body: bytes, said: str) -> None:
    assert said in (refusal_of(body) or "")


def test_brackets_within_strings_do_not_nest() -> None:
    assert refusal_of(json.dumps({"text": '[{"\\' * 500}).encode()) is None


def test_the_deepest_body_that_is_taken() -> None:
    assert refusal_of(b"[" * DEEPEST + b"]" * DEEPEST) is None
    assert refusal_of(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1)) is not None


def test_a_pair_of_surrogates_is_text() -> None:
    assert refusal_of(rb'{"a": "\ud83d\ude00"}') is None


@given(JSON)
def test_every_ordinary_value_is_taken(value: object) -> None:
    assert refusal_of(json.dumps(value).encode()) is None


@given(st.binary(max_size=200))
def test_no_bytes_raise(body: bytes) -> None:
    assert refusal_of(body) is None or json.loads
