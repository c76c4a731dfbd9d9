from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyforge.inbound.guard import DEEPEST, MOST_KEYS, parsed, refusal_of

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
        (b'{"a":18446744073709551616}', "64 bits"),
        (b'{"a":-9223372036854775809}', "64 bits"),
        (b'{"a":1,"a":2}', "'a' stands twice"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "64 bits"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"[" * 100_000, "nested deeper than 64"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested deeper than 64"),
        (b"[" + b"[],[]," * 150_000 + b"1]", "more than 200000"),
        (b"{" + b'"a":1,' * (MOST_KEYS + 1) + b'"b":1}', "more than 200000 keys"),
        (b'{"a\\"": 1, "a\\"": 2}', "stands twice"),
        (rb'{"x\\":"::","a":1,"a":2}', "'a' stands twice"),
        (b'{"a": 1, "\\u0061": 2}', "'a' stands twice"),
        (b'"\xff"', "utf-8"),
        (b"", "line 1, column 1 is no JSON: Expecting value"),
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


@pytest.mark.parametrize(
    "text", [":", '":', '\\":', "\\\\", '\\\\"', '{"a":1,"a":2}', "[" * 100, '":"a":' * 100]
)
def test_colons_quotes_and_backslashes_within_strings_are_text(text: str) -> None:
    value = {text: text, "list": [text, {"inner": text}]}
    assert parsed(json.dumps(value).encode()) == value
    assert parsed(json.dumps(value, indent=2).encode()) == value


def test_keys_up_to_the_limit_are_taken() -> None:
    many = {f"key{number}": number for number in range(MOST_KEYS)}
    assert parsed(json.dumps(many).encode()) == many


def test_a_key_that_stands_twice_among_very_many_is_found_at_once() -> None:
    keys = b",".join(b'"%d":1' % number for number in range(150_000))
    assert "'149999' stands twice" in (refusal_of(b"{" + keys + b',"149999":1}') or "")


@given(JSON)
def test_every_ordinary_value_is_taken_as_it_is(value: object) -> None:
    assert parsed(json.dumps(value).encode()) == value
    assert parsed(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@given(st.dictionaries(st.text(), st.integers(0, 9), min_size=1), st.data())
def test_a_key_that_stands_twice_is_always_found(
    value: dict[str, int], data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    twice = f"{json.dumps(value)[:-1]}, {json.dumps(key)}: 1}}"
    assert "stands twice" in (refusal_of(twice.encode()) or "")


@given(st.binary(max_size=200) | st.text(alphabet='[]{}:,"\\a1 ').map(str.encode))
def test_no_bytes_are_an_error(body: bytes) -> None:
    refusal = refusal_of(body)
    if refusal is None:
        assert parsed(body) == json.loads(body)
    else:
        assert refusal
