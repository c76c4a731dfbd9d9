from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyforge.references import Secrets
from tinyforge.workloads.output import CUT, LONGEST_LINE, Lines, clean


def hiding(*values: str) -> Secrets:
    secrets = Secrets()
    for value in values:
        secrets.hide(value)
    return secrets


def lines(*chunks: bytes, secrets: Secrets | None = None) -> list[str]:
    reader = Lines(secrets or Secrets())
    return [line for chunk in chunks for line in reader.feed(chunk)] + list(reader.end())


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a\nb"], ["a", "b"]),
        ([b"a\r", b"\nb\r\n"], ["a", "b"]),
        ([b"10%\r20%\r", b"30%\n"], ["10%", "20%", "30%"]),
        ([b"\n\n"], ["", ""]),
        ([b""], []),
        ([b"\xc3", b"\xbc\n"], ["ü"]),
        ([b"a\xffb\n"], ["a\ufffdb"]),
        ([b"a\xc3"], ["a\ufffd"]),
    ],
)
def test_bytes_become_lines(chunks: list[bytes], expected: list[str]) -> None:
    assert lines(*chunks) == expected


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_where_the_chunks_are_cut_makes_no_difference(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(data)]
    chunks = [data[start:stop] for start, stop in pairwise(edges)]

    assert lines(*chunks) == lines(data)


@given(st.text(max_size=200))
def test_no_control_character_is_ever_left(text: str) -> None:
    found = clean(text)

    assert not any(
        (ord(char) < 0x20 and char != "\t") or 0x7F <= ord(char) < 0xA0 for char in found
    )
    assert "\u202e" not in found


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain ü 漢 🎉", "plain ü 漢 🎉"),
        ("a\tb", "a\tb"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[2K\x1b[1Gdone", "done"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("bell\x07", "bell\\x07"),
        ("\x1b", "\\x1b"),
        ("\x9b31m", "\\x9b31m"),
        ("evil\u202etxt", "evil\\u202etxt"),
    ],
)
def test_colours_vanish_and_other_control_characters_are_spelt_out(
    written: str, shown: str
) -> None:
    assert clean(written) == shown


@pytest.mark.parametrize("char", ["x", "ü", "🎉", "\x01"])
def test_a_line_is_cut_at_16_kib_with_a_note(char: str) -> None:
    cut, following = lines((char * 40_000).encode(), (char * 40_000 + "\nnext\n").encode())

    assert len(cut.encode()) <= LONGEST_LINE
    assert len(cut.encode()) > LONGEST_LINE - 10
    assert cut.endswith(CUT)
    assert following == "next"


def test_a_line_of_exactly_16_kib_is_whole() -> None:
    assert lines(b"x" * LONGEST_LINE + b"\n") == ["x" * LONGEST_LINE]


def test_an_endless_line_is_not_kept_in_memory() -> None:
    reader = Lines(Secrets())
    for _ in range(1_000):
        assert list(reader.feed(b"x" * 65_536)) == []

    (line,) = reader.end()

    assert len(line) <= LONGEST_LINE


@given(
    st.text("abc", min_size=4, max_size=12),
    st.integers(LONGEST_LINE - 40, LONGEST_LINE + 40),
    st.integers(0, 30),
)
def test_no_part_of_a_secret_is_left_where_a_line_is_cut(
    secret: str, place: int, before: int
) -> None:
    text = secret * before + "-" * (place - len(secret) * before) + secret + "-" * 1_000

    (line,) = lines(text.encode(), secrets=hiding(secret))

    assert not set("abc") & set(line.removesuffix(CUT))
