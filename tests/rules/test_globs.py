"""Globs against a matcher that is written as naively as it can be."""

from __future__ import annotations

import fnmatch
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinyforge.rules import walk
from tinyforge.rules.braces import MOST
from tinyforge.rules.globs import LONGEST, Glob

SECONDS = 5.0  # of processor time, for what takes hundredths; backtracking takes years
patterns = st.lists(
    st.sampled_from(["a", "b", "/", "*", "**", "**/", "/**/", "?", "[ab]", "[!a]", "[b-c]"]),
    min_size=1,
    max_size=9,
).map("".join)
texts = st.text("abc/", max_size=12)


def naive(pattern: str, text: str) -> bool:
    """Try everything; *pattern* is after a border at the begin of each call on a segment."""
    return _naive(pattern, text, at_border=True)


def _naive(pattern: str, text: str, *, at_border: bool) -> bool:
    if not pattern:
        return not text
    if stars := re.match(r"\*+", pattern):
        rest = pattern[stars.end() :]
        if len(stars[0]) == 1:
            runs = re.match(r"[^/]*", text)
            most = runs.end() if runs else 0
            return any(_naive(rest, text[n:], at_border=False) for n in range(most + 1))
        if at_border and rest.startswith("/"):
            ends = [0, *(n + 1 for n, char in enumerate(text) if char == "/")]
            return any(_naive(rest[1:], text[n:], at_border=True) for n in ends)
        return any(_naive(rest, text[n:], at_border=False) for n in range(len(text) + 1))
    if not text:
        return False
    one = re.match(r"\[(!?)(.)(?:-(.))?(.)?\]|.", pattern)
    assert one
    if pattern[0] == "[":
        first, last, other = one[2], one[3] or one[2], one[4]
        within = first <= text[0] <= last or text[0] == other
        taken = text[0] != "/" and within is not bool(one[1])
    else:
        taken = text[0] == pattern[0] or (pattern[0] == "?" and text[0] != "/")
    return taken and _naive(pattern[one.end() :], text[1:], at_border=text[0] == "/")


def test_the_naive_matcher_is_right_where_everybody_agrees() -> None:
    assert naive("a/**/b", "a/b")
    assert naive("a/**/b", "a/c/c/b")
    assert not naive("a/**/b", "a/cb")
    assert not naive("*", "a/b")
    assert naive("[!a]", "b")


@given(patterns, texts)
@example("**/a*b/**/c", "b/ab/c")
@example("**/**/a", "a")
@example("a/***/b", "a/b")
def test_a_glob_takes_what_a_naive_matcher_takes(pattern: str, text: str) -> None:
    pattern = pattern.lstrip("/")
    text = text.lstrip("/")
    if pattern:
        assert Glob(pattern).matches(text) is naive(pattern, text)


@given(st.text("ab*?[!]-c", min_size=1, max_size=8), st.text("abc", max_size=8))
def test_within_one_segment_a_glob_is_what_fnmatch_takes(pattern: str, text: str) -> None:
    try:
        glob = Glob(pattern)
    except ValueError:
        return  # what fnmatch takes for plain characters is a mistake to us
    assert glob.matches(text) is (fnmatch.fnmatchcase(text, pattern))


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.strip("/")))
def test_a_name_with_its_signs_escaped_is_only_itself(name: str) -> None:
    name = name.lstrip("/")
    glob = Glob("".join(f"\\{char}" for char in name))
    assert glob.matches(name)
    assert not glob.matches(f"{name}x")
    assert not glob.matches(name[:-1])


@pytest.mark.parametrize(
    ("pattern", "taken", "refused"),
    [
        ("web/*", ["web/a", "web/.env"], ["web/a/b", "web", "xweb/a"]),
        ("web/**", ["web/a", "web/a/b"], ["web", "webs/a"]),
        ("**/test", ["test", "a/test", "a/b/test"], ["atest", "a/testb"]),
        ("**.js", ["a.js", "a/b/c.js"], ["a.jsx"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab"]),
        ("a**b", ["ab", "a/x/b"], ["ba"]),
        ("v?.?", ["v1.2"], ["v1.10", "v/.2"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "/x"]),
        ("[!a-c]x", ["dx"], ["ax", "/x"]),
        ("[^a]x", ["bx"], ["ax"]),
        ("[]x]", ["]", "x"], ["a"]),
        ("[a-]", ["a", "-"], ["b"]),
        (r"\[id\].js", ["[id].js"], ["i.js"]),
        ("*.{js,ts}", ["a.js", "a.ts"], ["a.{js,ts}", "a.css"]),
        ("{a,b{c,d}}{,x}", ["a", "bc", "bdx"], ["b", "c"]),
        ("{name}", ["{name}"], ["name"]),
        (r"\{a,b\}", ["{a,b}"], ["a"]),
        ("[{,}]", ["{", ",", "}"], ["a"]),
        ("/web/a", ["web/a", "/web/a"], ["a"]),
        ("größe/*", ["größe/ß"], ["große/ß"]),
    ],
)
def test_a_glob_means_what_people_expect(
    pattern: str, taken: list[str], refused: list[str]
) -> None:
    glob = Glob(pattern)
    assert [text for text in taken if not glob.matches(text)] == []
    assert [text for text in refused if glob.matches(text)] == []


def test_letters_match_in_either_case_only_where_that_is_asked() -> None:
    assert not Glob("Acme/*").matches("acme/site")
    assert Glob("Acme/*", case=False).matches("aCME/Site")


def test_a_folder_is_everything_below_it_only_where_that_is_asked() -> None:
    assert Glob("web/", below=True).matches("web/a/b")
    assert not Glob("web/", below=True).matches("web")
    assert not Glob("web/").matches("web/a")


@pytest.mark.parametrize(
    ("pattern", "mistake"),
    [
        ("", "is empty"),
        ("/", "is empty"),
        ("!docs/**", "nothing is taken away with `!` here"),
        ("[ab", "a [ is not closed; close it, or write"),
        ("[!", "a [ is not closed"),
        ("[z-a]", "[z-a] holds nothing; write [a-z]"),
        ("a\\", "ends in a backslash"),
        ("a" * (LONGEST + 1), "has 513 characters; write at most 512"),
        ("{a,b}" * 7, f"stand for more than {MOST} patterns"),
    ],
)
def test_a_glob_without_a_sense_is_refused_with_what_to_write(pattern: str, mistake: str) -> None:
    with pytest.raises(ValueError, match=re.escape(mistake)):
        Glob(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 250, "a" * 100_000),
        ("**/a/" * 100 + "*b*c?d", "a/" * 50_000),
        ("**a" * 170, "a" * 100_000),
        ("*?" * 250 + "b", "a" * 100_000),
        ("*[!b-z]" * 70 + "x", "".join(map(chr, range(0x4000, 0x4000 + 40_000))) * 3),
        ("{*a,*b}" * 6 + "c", "ab" * 50_000),
    ],
)
def test_no_pattern_takes_long_over_100_000_characters(pattern: str, text: str) -> None:
    glob = Glob(pattern)
    begin = time.process_time()
    glob.matches(text)
    assert time.process_time() - begin < SECONDS


def test_what_a_pattern_remembers_has_a_bound_and_changes_no_answer() -> None:
    glob = Glob("*a*[!b]?**/*c*")
    names = ["".join(chr(0x100 + n * 7 % 9_000 + k) for k in range(5)) for n in range(3_000)]
    once = [glob.matches(f"a{name}/xc") for name in names]
    assert 5 * len(names) > walk.MOST_KNOWN
    assert [glob.matches(f"a{name}/xc") for name in names] == once
    assert all(once)
