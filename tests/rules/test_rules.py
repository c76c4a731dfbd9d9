"""What a rule matches, one sentence for each promise."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.asking import EVERY_KEY, ask, facts, matches, mistakes, push, tag
from tinyforge.changes import EVENTS, Change
from tinyforge.model import Json
from tinyforge.rules import compile_rule
from tinyforge.rules.rule import MOST_PATTERNS
from tinyforge.testing.kinds import deploy_context

IMAGE = Change(event="image", image="ghcr.io/acme/site", repository="acme/site", tag="1.4.0")


def test_without_events_those_that_are_usual_for_the_kind_match() -> None:
    assert ask({}, push()).deploy
    assert ask({}, tag("v1")).reason == "event is tag, not push"
    assert ask({}, IMAGE, usual=["image"]).deploy


def test_events_that_are_listed_match_and_no_others() -> None:
    rule = {"events": ["tag", "release"]}
    assert matches(rule, tag("v1"))
    assert matches({"events": "tag"}, tag("v1"))
    assert ask(rule, push()).reason == "event is push, not tag or release"


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_of_every_provider_can_be_named(event: str) -> None:
    assert matches({"events": event}, Change(event=event))


def test_a_deletion_matches_only_where_delete_is_listed() -> None:
    gone = push(deleted=True)
    assert ask({"branch": "main"}, gone).reason == "event is delete, not push"
    assert not matches({"events": [one for one in EVENTS if one != "delete"]}, gone)
    assert matches({"events": ["push", "delete"]}, gone)


def test_the_repository_is_a_glob_in_any_case() -> None:
    assert matches({"repository": "acme/*"}, push(repository="Acme/Site"))
    assert matches({"repository": "Acme/Site"}, push(repository="acme/site"))
    verdict = ask({"repository": "acme/*"}, push(repository="other/site"))
    assert verdict.reason == "repository is other/site, not acme/*"


def test_the_branch_is_a_glob_in_its_own_case() -> None:
    assert matches({"branch": "release/*"}, push("release/1"))
    assert not matches({"branch": "release/*"}, push("release/1/fix"))
    assert matches({"branch": "release/**"}, push("release/1/fix"))
    assert ask({"branch": "main"}, push("Main")).reason == "branch is Main, not main"


def test_a_list_means_any_of_it() -> None:
    rule = {"branch": ["main", "release/*"]}
    assert matches(rule, push("main"))
    assert matches(rule, push("release/1"))
    assert ask(rule, push("dev")).reason == "branch is dev, not main or release/*"


def test_all_keys_must_hold() -> None:
    rule = {"branch": "main", "repository": "acme/site"}
    assert matches(rule, push("main", repository="acme/site"))
    assert not matches(rule, push("main", repository="acme/other"))
    assert not matches(rule, push("dev", repository="acme/site"))


def test_a_change_without_what_a_key_asks_for_does_not_match() -> None:
    verdict = ask({"events": ["push", "tag"], "branch": "**"}, tag("v1"))
    assert verdict.reason == "it has no branch, ** is wanted"


def test_a_tag_is_a_glob_or_a_range_of_versions() -> None:
    assert matches({"events": "tag", "tag": "v1.*"}, tag("v1.2.0-rc.1"))
    assert matches({"events": "tag", "tag": "^1.2"}, tag("v1.4.0"))
    assert matches({"events": "tag", "tag": ["nightly", ">=1.2 <2"]}, tag("nightly"))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("v2.0.0", "tag is v2.0.0, not ^1.2"),
        ("v1.3.0-rc.1", "tag is v1.3.0-rc.1, not ^1.2; pre-releases match only where one is named"),
        ("latest", "tag is latest, not ^1.2; it is no version such as 1.4.2"),
    ],
)
def test_a_tag_outside_of_a_range_is_told_why(name: str, why: str) -> None:
    assert ask({"events": "tag", "tag": "^1.2"}, tag(name)).reason == why


def test_a_pre_release_matches_a_range_that_names_one() -> None:
    assert matches({"events": "tag", "tag": "^1.3.0-rc.0"}, tag("v1.3.0-rc.1"))


def test_the_image_is_a_glob_and_its_tag_is_one_of_a_registry() -> None:
    rule = {"image": "ghcr.io/acme/*", "tag": "1.x", "events": "image"}
    assert matches(rule, IMAGE)
    verdict = ask({**rule, "image": "ghcr.io/other/*"}, IMAGE)
    assert verdict.reason == "image is ghcr.io/acme/site, not ghcr.io/other/*"


def test_a_file_counts_if_a_paths_glob_takes_it() -> None:
    assert matches({"paths": ["web/**"]}, push(files=["docs/x", "web/a/b.js"]))
    assert ask({"paths": "web/**"}, push(files=["docs/x"])).reason == "no changed file under web/"
    assert not matches({"paths": "*.md"}, push(files=["docs/x.md"]))
    assert matches({"paths": "**/*.md"}, push(files=["x.md"]))


@pytest.mark.parametrize("pattern", ["/web/**", "web/**", "web/", "/web/"])
def test_a_leading_slash_is_ignored_and_a_folder_is_all_below_it(pattern: str) -> None:
    assert matches({"paths": pattern}, push(files=["web/a/b.js"]))
    verdict = ask({"paths": pattern}, push(files=["docs/web/a"]))
    assert verdict.reason == "no changed file under web/"


def test_a_file_that_paths_ignore_takes_does_not_count() -> None:
    rule = {"paths": "web/**", "paths_ignore": ["**/*.md"]}
    assert matches(rule, push(files=["web/README.md", "web/a.js"]))
    verdict = ask(rule, push(files=["web/README.md", "a.js"]))
    assert verdict.reason == "no changed file under web/ that is not ignored (like **/*.md)"


def test_with_paths_ignore_alone_every_other_file_counts() -> None:
    rule = {"paths_ignore": ["docs/**"]}
    assert matches(rule, push(files=["docs/a", "b"]))
    verdict = ask(rule, push(files=["docs/a"]))
    assert verdict.reason == "all changed files are ignored (under docs/)"


def test_a_change_of_no_file_matches_no_paths() -> None:
    assert ask({"paths": "**"}, push(files=[])).reason == "no file was changed"
    assert matches({"branch": "main"}, push(files=[]))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (push(forced=True), "forced push"),
        (push(forced=True, files=["docs/x"]), "forced push"),
        (push(created=True), "new branch"),
        (push(created=True, files=["docs/x"]), "new branch"),
        (push(files=None), "the list is missing or cut"),
    ],
)
def test_unknown_files_match_and_it_says_so(change: Change, why: str) -> None:
    verdict = ask({"paths": "web/**", "branch": "main"}, change)
    assert verdict.deploy
    assert verdict.reason == f"push main matched; files are unknown ({why}), so paths match"
    assert ask({"branch": "main"}, change).reason == "push main matched"


def test_unknown_files_do_not_make_up_for_another_key() -> None:
    assert not matches({"paths": "web/**", "branch": "main"}, push("dev", forced=True))


def test_without_skip_markers_no_message_is_looked_at() -> None:
    assert matches({}, push(message="fix [skip ci]"))


def test_a_skip_marker_in_the_message_in_any_case_keeps_the_change_out() -> None:
    rule = {"skip_markers": ["[skip ci]", "[no deploy]"]}
    assert matches(rule, push(message="fix the skip of ci"))
    assert ask(rule, push(message="fix [Skip CI]")).reason == "the message holds [skip ci]"


def test_keys_are_tested_on_one_change_at_a_time() -> None:
    rule = {"branch": "main", "paths": "web/**"}
    assert not matches(rule, push("main", files=["docs/a"]), push("dev", files=["web/a"]))


def test_the_last_change_that_matched_is_named() -> None:
    rule = {"branch": ["main", "release/*"]}
    verdict = ask(rule, push("main"), push("release/1"), push("dev"))
    assert verdict.deploy
    assert verdict.change == 1
    assert verdict.reason == "push release/1 matched (change 2 of 3)"


def test_of_one_change_the_verdict_names_that_one() -> None:
    assert ask({}, push()).change == 0
    assert ask({"branch": "dev"}, push()).change is None


def test_where_no_change_matches_each_says_why_the_newest_first() -> None:
    verdict = ask({"branch": "main"}, push("a"), push("b"), push("b"))
    assert verdict.reason == (
        "none of 3 changes matched: branch is b, not main; branch is a, not main"
    )


def test_of_very_many_changes_a_few_say_why() -> None:
    verdict = ask({"branch": "main"}, *(push(f"b{number}") for number in range(1_000)))
    assert verdict.reason.startswith("none of 1000 changes matched: branch is b999")
    assert len(verdict.reason) < 200


def test_facts_given_by_hand_are_one_change_of_the_usual_kind() -> None:
    match = compile_rule({"branch": "main"}, EVERY_KEY, ["push"])
    assert match(deploy_context({"branch": "main", "note": 5}).event).deploy
    assert match(deploy_context({"branch": "dev"}).event).reason == "branch is dev, not main"
    assert match(deploy_context({"branch": "main", "event": "tag"}).event).reason == (
        "event is tag, not push"
    )


@pytest.mark.parametrize(
    "wrong", [{"branch": 5}, {"changes": "x"}, {"changes": [{}]}, {"changes": [None]}]
)
def test_facts_that_are_no_changes_do_not_match_and_it_says_so(wrong: Json) -> None:
    verdict = compile_rule({}, EVERY_KEY, ["push"])(deploy_context(wrong).event)
    assert not verdict.deploy
    assert verdict.reason.startswith("its facts are no changes: ")


def test_an_event_without_any_change_does_not_match() -> None:
    assert ask({}).reason == "it changed nothing"


def test_a_name_that_a_sender_chose_cannot_act_on_a_terminal() -> None:
    reason = ask({"branch": "main"}, push("\x1b[31m\u202e" + "x" * 5_000)).reason
    assert reason.isprintable()
    assert len(reason) < 120


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        ({"brnch": "main"}, "brnch: unknown key; did you mean 'branch'?"),
        ({"xyz": "main"}, "xyz: unknown key; known: branch, events, image, paths, paths_ignore"),
        ({"events": "pushed"}, "events: no event 'pushed'; did you mean 'push'?"),
        ({"branch": 5}, "branch: must be text such as main, not 5; put quotes around it"),
        ({"branch": {"a": 1}}, "branch: must be text such as main, not {'a': 1}"),
        ({"branch": None}, "branch: is empty; write text such as main, or remove it"),
        ({"branch": []}, "branch: is empty, so nothing could match; remove it"),
        ({"branch": ["main", ""]}, "branch[1]: is empty; write text such as main, or remove it"),
        ({"branch": ["x"] * 101}, f"branch: lists 101; write at most {MOST_PATTERNS}"),
        (
            {"branch": "refs/heads/main"},
            "branch: begins with refs/heads/, which no name does; writ",
        ),
        (
            {"events": "tag", "tag": ["v1", "refs/tags/v*"]},
            "tag[1]: begins with refs/tags/, which no name does; write 'v*'",
        ),
        ({"paths": "a[b"}, "paths: a [ is not closed; close it, or write \\["),
        (
            {"paths": ["web/**", "!web/docs"]},
            "paths[1]: what must not count stands in paths_ignore",
        ),
        ({"events": "tag", "tag": ">=1,2"}, "tag: '>=1,2' is no range of versions"),
        (
            {"tag": "v*"},
            "tag: never comes with push; name an event that has it, such as events: [t",
        ),
        ({"image": "*", "events": ["push", "tag"]}, "image: never comes with push or tag; name an"),
        ({"branch": "main", "events": "tag"}, "branch: never comes with tag; name an event that"),
        ({"when": "event.branch = 'x'"}, "when: line 1, column 14: "),
        ({"when": 5}, "when: must be an expression, not 5"),
        ({"when": " "}, "when: must be an expression"),
    ],
)
def test_each_mistake_names_its_field_and_what_to_write(rule: Json, mistake: str) -> None:
    found = mistakes(rule)
    assert len(found) == 1
    assert found[0].startswith(mistake)


def test_a_key_that_the_kind_never_fills_is_a_mistake() -> None:
    (found,) = mistakes({"branch": "main"}, ["events", "repository", "tag", "image"])
    assert found.startswith("branch: its trigger never says this; remove it, or use events, repo")


def test_all_mistakes_are_told_at_once() -> None:
    rule = {"brnch": "x", "branch": ["", 5], "paths": "[", "when": "event.x == 1"}
    fields = [line.partition(":")[0] for line in mistakes(rule)]
    assert fields == ["brnch", "branch[0]", "branch[1]", "paths", "when"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from([*EVERY_KEY, "events", "when", "odd"]), json_values, max_size=4
    ),
    st.dictionaries(
        st.sampled_from([*Change.__struct_fields__, "changes", "payload"]), json_values, max_size=5
    ),
)
def test_any_rule_is_refused_or_gives_any_facts_a_verdict(rule: Json, given_facts: Json) -> None:
    if mistakes(rule):
        return
    verdict = compile_rule(rule, EVERY_KEY, ["push"])(deploy_context(given_facts).event)
    assert verdict.reason
    assert verdict.deploy is (verdict.change is not None)


def test_a_verdict_changes_neither_rule_nor_event() -> None:
    rule = {"branch": ["main"], "paths": ["web/**"], "when": "event.payload.a == 1"}
    before = msgspec.json.encode(rule)
    event = deploy_context(facts(push(files=["web/a"]), payload={"a": 1})).event
    seen = msgspec.json.encode(event)
    match = compile_rule(rule, EVERY_KEY, ["push"])
    assert match(event) == match(event)
    assert msgspec.json.encode(rule) == before
    assert msgspec.json.encode(event) == seen


def test_ten_thousand_files_against_a_hundred_globs_end_quickly() -> None:
    files = [f"packages/lib{number % 97}/src/deep/file{number}.ts" for number in range(10_000)]
    rule = {"paths": [f"apps/x{number}/**/*.py" for number in range(100)]}
    begin = time.process_time()
    assert not matches(rule, push(files=files))
    assert time.process_time() - begin < 5
