"""`when:`: one expression over one event."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.rules.asking import EVERY_KEY, ask, facts, matches, mistakes, push
from tinyforge.changes import Change
from tinyforge.errors import MatchFailed
from tinyforge.rules import compile_rule
from tinyforge.rules.condition import LONGEST
from tinyforge.rules.reading import DEEPEST
from tinyforge.testing.kinds import deploy_context

NOTHING = Change(event="push")


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = {"inner": value}
    return value


@pytest.mark.parametrize("field", Change.__struct_fields__)
def test_every_field_of_a_change_can_be_asked_for(field: str) -> None:
    empty = {"files": "[]", "event": "'push'", "created": "false", "deleted": "false"}
    value = empty.get(field, "false" if field == "forced" else "''")
    assert matches({"when": f"event.{field} == {value}"}, NOTHING)


def test_it_sees_what_changed() -> None:
    change = push("main", pusher="ann", files=["web/a", "b"], forced=True, message="fix\nall")
    for text in (
        "event.branch == 'main' && event.pusher in ['ann', 'bob']",
        "event.files.exists(file, file.startsWith('web/')) && size(event.files) == 2",
        "event.forced && !event.created",
        "event.message.matches('^fix')",
        "event.files.filter(file, file.contains('/')).size() == 1",
        "event.commit == '' ? true : false",
    ):
        assert matches({"when": text}, change), text


def test_a_change_for_which_it_is_false_is_told_with_the_values_it_named() -> None:
    verdict = ask({"when": "event.pusher != 'bot[1]' || event.forced"}, push(pusher="bot[1]"))
    assert not verdict.deploy
    assert verdict.reason == (
        "when is false: event.pusher != 'bot[1]' || event.forced"
        " (event.pusher is 'bot[1]', event.forced is False)"
    )


def test_it_sees_the_payload_as_it_came() -> None:
    payload = {"sender": {"id": 2**53 + 1, "site_admin": False}, "labels": ["a", "b"], "rate": 1.5}
    for text in (
        "event.payload.sender.id == 9007199254740993",
        "!event.payload.sender.site_admin",
        "'b' in event.payload.labels",
        "event.payload['rate'] > 1.0",
        "has(event.payload.sender) && !has(event.payload.installation)",
    ):
        assert matches({"when": text}, push(), payload=payload), text


def test_without_a_payload_nothing_is_in_it() -> None:
    match = compile_rule({"when": "has(event.payload.x)"}, EVERY_KEY, ["push"])
    assert not match(deploy_context({"branch": "main"}).event).deploy


def test_the_payload_is_converted_only_if_it_is_named() -> None:
    unfit = {"number": 2**80}
    assert matches({"when": "event.branch == 'main'"}, push(), payload=unfit)
    with pytest.raises(MatchFailed, match="out of range"):
        ask({"when": "event.payload.number > 1"}, push(), payload=unfit)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("event.payload.a.b == 1", "(event.payload.a.b is absent): Key not found in map"),
        ("event.payload.list[5] == 1", "(event.payload.list is a list of 2): "),
        ("event.payload.text.size() > event.payload.number / 0", "divide by zero"),
        ("int(event.branch) > 3", "(event.branch is 'main'): cannot convert string to int"),
        ("event.payload.text && true", "(event.payload.text is 'x'): No matching overloads"),
        ("event.branch.matches(event.payload.bad)", "invalid regular expression"),
        ("event.files.all(a, event.files.all(b, event.files.all(c, true)))", "budget exceeded"),
    ],
)
def test_an_error_is_told_with_expression_and_values_and_is_never_no_match(
    text: str, told: str
) -> None:
    payload = {"list": [1, 2], "text": "x", "number": 1, "bad": "(", "a": {}}
    with pytest.raises(MatchFailed) as failed:
        ask({"when": text}, push(files=["a"] * 3_000), payload=payload)
    assert str(failed.value).startswith(f"when failed: {text}")
    assert told in str(failed.value)


def test_an_expression_is_asked_only_of_a_change_that_all_keys_let_through() -> None:
    assert not matches({"branch": "dev", "when": "event.payload.x == 1"}, push("main"))


def test_each_change_is_seen_as_itself() -> None:
    verdict = ask({"when": "event.branch == 'b'"}, push("a"), push("b"), push("c"))
    assert verdict.change == 1


def test_two_bindings_see_the_same_event_alike() -> None:
    event = deploy_context(facts(push(pusher="ann"), payload={"n": 1})).event
    other = deploy_context(facts(push(pusher="bob"), payload={"n": 2})).event
    first = compile_rule({"when": "event.pusher == 'ann'"}, EVERY_KEY, ["push"])
    second = compile_rule({"when": "event.payload.n == 1"}, EVERY_KEY, ["push"])
    for _ in range(3):
        assert first(event).deploy
        assert second(event).deploy
        assert not first(other).deploy
        assert not second(other).deploy


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "event.pushr == 'x'",
            "line 1, column 6: there is no event.pushr; did you mean 'event.pus",
        ),
        ("branch == 'x'", "line 1, column 1: there is no branch; did you mean 'event.branch'?"),
        ("event == 'x'", "line 1, column 1: there is no event; "),
        ("event.branch == ", "line 1, column 17: Syntax error"),
        ("true &&\n  event.branch > 1", "line 2, column 16: found no matching overload"),
        ("event.branch", "gives string; compare it"),
        ("event.payload.ok", "may be anything; compare it, such as `… == true`"),
        ("has(event.tag)", "event.tag is always there; compare it, such as event.tag != ''"),
        ("event.files.map(f, f + f) == []", "`map` is not available; use exists, all or filter"),
        ("true" + " && true" * 300, f"has 2404 characters; write at most {LONGEST:,}"),
        ("(" * 500 + "true" + ")" * 500, "Expression recursion limit exceeded. limit: 32; write"),
        ("event.branch == '\ud800'", "holds half a character"),
    ],
)
def test_what_can_never_be_true_or_false_is_refused_when_it_is_saved(
    text: str, mistake: str
) -> None:
    (found,) = mistakes({"when": text})
    assert found.startswith(f"when: {mistake}")


def test_a_payload_may_be_nested_so_deep_and_no_deeper() -> None:
    rule = {"when": "has(event.payload.inner)"}
    assert matches(rule, push(), payload=nested(DEEPEST - 1))
    with pytest.raises(MatchFailed, match="nested deeper than 64"):
        ask(rule, push(), payload=nested(DEEPEST))
    with pytest.raises(MatchFailed, match="nested deeper than 64"):
        ask(rule, push(), payload=nested(20_000))
    assert matches({"when": "event.branch == 'main'"}, push(), payload=nested(20_000))


def test_half_a_character_in_what_came_is_an_error_and_not_a_crash() -> None:
    match = compile_rule({"when": "event.branch == 'x'"}, EVERY_KEY, ["push"])
    with pytest.raises(MatchFailed):
        match(deploy_context({"branch": "\ud800"}).event)


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("event.message.matches('(a*)*b')", push(message="a" * 100_000)),
        ("event.message.matches('(a|aa)+$')", push(message="a" * 100_000 + "b")),
        ("event.files.exists(a, event.files.exists(b, a + b == 'x'))", push(files=["a"] * 3_000)),
    ],
)
def test_no_expression_takes_long(text: str, change: Change) -> None:
    begin = time.process_time()
    with suppress(MatchFailed):  # an answer or none, but soon
        ask({"when": text}, change)
    assert time.process_time() - begin < 3


def test_expressions_are_imported_when_the_first_is_met() -> None:
    code = (
        "import sys; from tinyforge.rules import compile_rule;"
        "compile_rule({'branch': 'main'}, {'branch'}, ['push']);"
        "assert 'cel_expr_python' not in sys.modules;"
        "compile_rule({'when': 'true'}, (), ['push']);"
        "assert 'cel_expr_python' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode == 0
