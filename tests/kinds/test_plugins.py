from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from tinyforge.errors import InvalidConfig, UnknownKind
from tinyforge.plugins import Mistake, Plugins

HERE = "tests.kinds.broken_kinds"


def trigger(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "tinyforge.triggers")


def one(value: str) -> Plugins:
    return Plugins(
        [trigger("odd", f"{HERE}:{value}"), trigger("run", "tinyforge.triggers.run:RunEnded")]
    )


def mistakes(config: dict[str, object]) -> list[Mistake]:
    return one("Awkward").mistakes("trigger", "odd", config)


def test_built_in_kinds_come_in_by_entry_points() -> None:
    plugins = Plugins.discover()

    assert {"manual", "run", "schedule"} <= set(plugins.trigger_kinds())
    assert {"command", "http"} <= set(plugins.workload_kinds())


def test_finding_kinds_imports_none_of_them() -> None:
    program = (
        "import sys; from tinyforge.plugins import Plugins; Plugins.discover();"
        "print([name for name in sys.modules if name.startswith(('tinyforge.workloads.',"
        " 'tinyforge.triggers.', 'aiohttp', 'cronsim'))])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_more_kinds_can_be_handed_in() -> None:
    plugins = Plugins.discover(also=[trigger("awkward", f"{HERE}:Awkward")])

    assert "awkward" in plugins.trigger_kinds()
    assert plugins.trigger("awkward", {"colour": "red"})


def test_an_unknown_kind_is_answered_with_what_there_is_and_a_guess() -> None:
    with pytest.raises(
        UnknownKind, match=r"no trigger kind 'rum'; did you mean 'run'\? installed: odd, run"
    ):
        one("Awkward").trigger("rum", {})


def test_one_config_text_is_built_once() -> None:
    plugins = one("Awkward")

    first = plugins.trigger("odd", {"colour": "red", "count": 2})

    assert plugins.trigger("odd", {"count": 2, "colour": "red"}) is first
    assert plugins.trigger("odd", {"count": 3, "colour": "red"}) is not first


def test_all_mistakes_of_a_config_are_found_at_once() -> None:
    assert mistakes(
        {
            "colour": "blue",
            "sizes": {"small": "1", "big": 2, "huge": True},
            "names": ["a", 7, None],
            "count": 0,
            "laud": True,
        }
    ) == [
        ("colour", "'blue' is not one of: red, green"),
        ("sizes.small", "must be a whole number, not text"),
        ("sizes.huge", "must be a whole number, not true or false"),
        ("names[1]", "must be text, not a whole number; put quotes around it"),
        ("names[2]", "must be text, not nothing"),
        ("count", "must be a whole number >= 1"),
        ("laud", "unknown field; did you mean 'loud'?"),
    ]


def test_a_missing_field_is_a_mistake() -> None:
    assert mistakes({"nmaes": []}) == [
        ("nmaes", "unknown field; did you mean 'names'?"),
        ("colour", "is missing"),
    ]


def test_a_kind_may_refuse_several_fields_in_one_go() -> None:
    assert mistakes({"colour": "red", "loud": True, "count": 2}) == [
        ("loud", "only once"),
        ("count", "not when loud"),
    ]


def test_a_refusal_by_the_kind_is_told_beside_other_mistakes() -> None:
    found = mistakes({"colour": "red", "loud": True, "count": 2, "names": 5})

    assert ("loud", "only once") in found
    assert ("names", "must be a list, not a whole number") in found


def test_a_kind_that_crashes_over_its_config_refuses_it() -> None:
    assert mistakes({"colour": "red", "names": ["crash"]}) == [(None, "KeyError: 'names'")]


def test_a_wrong_config_is_not_built_and_the_error_names_the_field() -> None:
    with pytest.raises(InvalidConfig, match="odd: count: must be a whole number >= 1") as caught:
        one("Awkward").trigger("odd", {"colour": "red", "count": 0})

    assert caught.value.field == "count"


def test_a_wrong_config_with_two_mistakes_tells_both() -> None:
    with pytest.raises(InvalidConfig, match=r"(?s)2 mistakes.*colour: is missing.*|names: must"):
        one("Awkward").trigger("odd", {"names": 5})


def test_a_kind_that_refuses_only_once_is_built() -> None:
    assert one("Moody").trigger("odd", {})


@pytest.mark.parametrize(
    "config",
    [{"colour": "\ud800"}, {"sizes": {"a": 10**5000}}, {"colour": {1, 2}, "names": object()}],
)
def test_what_no_json_can_hold_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig, match="odd: "):
        one("Awkward").trigger("odd", config)


def test_a_config_nested_without_end_is_refused() -> None:
    config: dict[str, object] = {}
    for _ in range(100_000):
        config = {"colour": config}

    with pytest.raises(InvalidConfig, match="odd: "):
        one("Awkward").trigger("odd", config)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (f"{HERE}:Tomorrow", "it needs plugin api 2, this program speaks 1; upgrade tinyforge"),
        (f"{HERE}:Naked", "Naked must be a frozen dataclass"),
        (f"{HERE}:Melted", "Melted must be a frozen dataclass"),
        (f"{HERE}:Riddle", "the fields of Riddle cannot be read: name 'Unheard' is not defined"),
        (f"{HERE}:NOT_A_KIND", "is no trigger kind"),
        (f"{HERE}:Absent", "fails at import (AttributeError"),
        ("no_such_module:Kind", "fails at import (ModuleNotFoundError"),
        ("tinyforge.workloads.command:Command", "is no trigger kind"),
    ],
)
def test_a_kind_that_cannot_be_used_says_why_and_leaves_the_others_alone(
    value: str, why: str
) -> None:
    plugins = Plugins(
        [trigger("odd", value), trigger("manual", "tinyforge.triggers.manual:Manual")]
    )

    for _ in range(2):
        with pytest.raises(UnknownKind, match="trigger kind 'odd' cannot be used") as caught:
            plugins.trigger("odd", {})
        assert why in str(caught.value)
    assert plugins.trigger("manual", {})


def test_a_name_that_two_bring_is_nobodys() -> None:
    plugins = Plugins([trigger("odd", f"{HERE}:Awkward"), trigger("odd", f"{HERE}:Melted")])

    with pytest.raises(UnknownKind, match=f"{HERE}:Awkward and {HERE}:Melted both bring it"):
        plugins.trigger("odd", {})


def test_fields_tell_what_they_mean() -> None:
    field, *_ = one("Awkward").fields("trigger", "odd")

    assert (field.name, field.meaning, field.required) == ("colour", "what it shines in", True)


@pytest.mark.parametrize("kind", ["command", "http"])
def test_every_field_of_a_built_in_workload_has_a_meaning(kind: str) -> None:
    assert all(field.meaning for field in Plugins.discover().fields("workload", kind))


def test_http_may_run_twice_and_a_command_may_not() -> None:
    plugins = Plugins.discover()

    assert plugins.idempotent("http")
    assert not plugins.idempotent("command")
