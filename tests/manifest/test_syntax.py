from __future__ import annotations

import time

import pytest

from tinyforge.errors import InvalidManifest
from tinyforge.manifest.mistakes import Mistakes
from tinyforge.manifest.syntax import Node, plain, read

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


def value_of(text: bytes | str) -> object:
    mistakes = Mistakes("tinyforge.yaml")
    value = plain(read(text, mistakes))
    assert len(mistakes) == 0
    return value


def mistakes_in(text: bytes | str) -> tuple[str, ...]:
    mistakes = Mistakes("tinyforge.yaml")
    try:
        read(text, mistakes)
    except InvalidManifest as problem:
        return problem.mistakes
    return mistakes.error().mistakes


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("18446744073709551615", 2**64 - 1),
        ('"7"', "7"),
        ("'true'", "true"),
    ],
)
def test_four_kinds_of_plain_words_have_a_meaning(written: str, meant: object) -> None:
    assert value_of(f"key: {written}") == {"key": meant}


@pytest.mark.parametrize(
    "written",
    [
        "1.10",
        "1:30",
        "0123",
        "0x1F",
        "0o17",
        "1e3",
        "+5",
        "no",
        "on",
        "yes",
        "off",
        "y",
        "n",
        "True",
        "NULL",
        ".inf",
        ".nan",
        "2026-01-05",
        "2026-01-05T03:00",
        "=",
        "1_000",
        "-0",
        "10m",
        "${env:SECRET}",
    ],
)
def test_everything_else_stays_the_text_it_is(written: str) -> None:
    assert value_of(f"key: {written}") == {"key": written}


def test_keys_are_always_text() -> None:
    assert value_of("on: 1\ntrue: 2\n200: 3\nnull: 4\n1.10: 5") == {
        "on": 1,
        "true": 2,
        "200": 3,
        "null": 4,
        "1.10": 5,
    }


def test_every_key_and_value_knows_its_line() -> None:
    root = read("# first\na:\n  b: 1\nc:\n  - x\n  -\n    y\n", Mistakes("f"))
    assert isinstance(root.value, dict)
    a, c = root.value["a"], root.value["c"]
    assert (a.key_line, a.line) == (2, 3)
    assert isinstance(c.value, list)
    assert [item.line for item in c.value] == [5, 7]


def test_lines_are_counted_alike_with_windows_line_ends_and_a_byte_order_mark() -> None:
    root = read(b"\xef\xbb\xbfversion: 1\r\ntriggers:\r\n  x: 2\r\n", Mistakes("f"))
    assert plain(root) == {"version": 1, "triggers": {"x": 2}}
    assert isinstance(root.value, dict)
    assert root.value["triggers"].line == 3


def test_an_alias_means_what_its_anchor_says_and_stands_on_its_own_line() -> None:
    root = read("a: &same {b: [1]}\nc: *same\n&key d: *key\n", Mistakes("f"))
    assert plain(root) == {"a": {"b": [1]}, "c": {"b": [1]}, "d": "d"}
    assert isinstance(root.value, dict)
    assert root.value["c"].key_line == 2


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "---", "---\n...\n"])
def test_a_file_without_content_is_nothing_and_no_error(text: str) -> None:
    assert value_of(text) is None


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (b"\xff\xfea\0", ":1: this is UTF-16; save the file as UTF-8"),
        (b"a: 1\nb: \xe9", ":2: the byte 0xe9 is not UTF-8; save the file as UTF-8 text"),
        (b"\x7fELF\x01\0", ":1: the character U+007F is not allowed in a text file; remove it"),
        ("a: 1\nb: \0", ":2: the character U+0000 is not allowed in a text file; remove it"),
        ("a: \ud800", ":1: the character U+D800 is not allowed in a text file; remove it"),
        ('a: "\\ud800"', ":1: column 7: this escape is not a character"),
        ('a: "\\0"', ":1: a: a NUL character cannot be used; remove it"),
        ("a: 1\n---\nb: 2", ":2: a manifest is one document; remove the `---` in the middle"),
        ("a:\n\tb: 1", ":2: column 1: a tab cannot indent; use spaces"),
        ("a:\n  b: 1\n\tc: 2", ":3: column 1: a tab cannot indent; use spaces"),
        ("a: * * * * *", ":1: column 4: a text that begins with * needs quotes"),
        ("a: {b: */5 * * * *}", ":1: column 8: a text that begins with * needs quotes"),
        ("a: @daily", ":1: column 4: a text that begins with @ needs quotes"),
        ("a:\n  b: {c: ${env:X}}", ":2: column 11: the list or mapping that begins on line 2"),
        ("a: [1,\n  2", "the list or mapping that begins on line 1 is not closed"),
        ("a:\n  b: 'x\n", ":2: column 6: the quote that opens on line 2 is never closed"),
        ("a: b: c", ":1: column 5: a colon cannot be here; put quotes around"),
        ("a: b\nc\nd: e", ":2: column 1: no colon follows this key; write `key: value`"),
        ("a:\n  b: 1\n c: 2", ":3: column 2: this does not continue what stands above"),
        ("a: 'b' c", ":1: column 8: this does not continue what stands above"),
        ("- a\nb: c", ":2: column 1: no item of a list begins here"),
        ("a: - b", ":1: column 4: a list begins on a line of its own"),
        ('a: "\\q"', ":1: column 5: write \\\\ for a backslash"),
        ("%YAML 1.3\n---\na: 1", ":1: column 1: remove the %YAML line"),
        ("a: !!python/object:os.system {}", ":1: a: the tag !!python/object:os.system is not"),
        ("a: !!binary aGk=", ":1: a: the tag !!binary is not used here"),
        ("a: !here b", ":1: a: the tag !here is not used here"),
        ("a: !e!x b", ":1: column 4: tags (!…) are not used here"),
        ("a: 1\nb: 2\na: 3", ":3: 'a' is here a second time, after line 1; keep one"),
        ("a:\n  b: 1\n  b: 2", ":3: a: 'b' is here a second time, after line 2; keep one"),
        ("a: &x {}\nb:\n  <<: *x", ":3: b: merge keys (<<) are not used here"),
        ("? [a]\n: b", ":1: a key must be text; write `key: value`"),
        ("a: &x b\n*x : c", ":2: a key must be text, not an alias (*); write the key out"),
        ("'': a", ":1: a key is empty; write `key: value`"),
        ("a: *b", ":1: a: no &b stands above"),
        ("a: &b [*b]", ":1: a: &b holds itself; write out what you mean"),
        (LAUGHS, ":5: e: aliases (*) repeat more than 100000 values"),
        ("[" * 1_000_000, "nested deeper than 64; make it flatter"),
        ("- " * 1_000_000, "nested deeper than 64; make it flatter"),
        ("a: " + "9" * 5_000, "… is too large; put quotes around it"),
        ("a: 18446744073709551616", ":1: a: the number '18446744073709551616' is too large"),
        ("#" * (16 * 2**20 + 1), ": larger than 16 MiB; divide it into several manifests"),
    ],
)
def test_each_mistake_says_where_it_is_and_what_to_do(text: bytes | str, mistake: str) -> None:
    found = mistakes_in(text)
    assert len(found) == 1
    assert found[0].startswith("tinyforge.yaml:")
    assert mistake in found[0]
    assert found[0].isprintable()


def test_mistakes_that_can_be_read_past_come_all_at_once_in_the_order_of_the_file() -> None:
    found = mistakes_in("a: 1\na: 2\nb: !!str x\nb: 3\n")
    assert [line.split(":")[1] for line in found] == ["2", "3", "4"]


def test_a_thousand_mistakes_are_shown_and_the_rest_is_counted() -> None:
    found = mistakes_in("a: 1\n" * 1_201)
    assert len(found) == 1_001
    assert found[-1] == "tinyforge.yaml: 200 more mistakes are not shown; repair these first"


def test_ten_thousand_triggers_are_read_in_a_moment() -> None:
    row = "kind: schedule\n    cron: '0 3 * * *'\n    timezone: Europe/Berlin"
    text = "triggers:\n" + "".join(f"  t{number}:\n    {row}\n" for number in range(10_000))
    began = time.process_time()
    root = read(text, Mistakes("f"))
    took = time.process_time() - began
    assert isinstance(root.value, dict)
    triggers = root.value["triggers"].value
    assert isinstance(triggers, dict)
    assert all(isinstance(found, Node) for found in triggers.values())
    assert len(triggers) == 10_000
    assert took < 1
