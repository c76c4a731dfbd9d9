from __future__ import annotations

import os

import msgspec
import pytest

from tinyforge.clock import SECOND
from tinyforge.errors import DeployFailed
from tinyforge.kinds import DeployContext
from tinyforge.testing.kinds import NEW_YEAR_2026, Written, deploy_context
from tinyforge.workloads.command import Command
from tinyforge.workloads.facts import FromEvent


async def environment(command: Command, context: DeployContext) -> dict[str, str]:
    log = Written()
    await command.deploy(msgspec.structs.replace(context, log=log))
    return dict(line.split("=", 1) for line in log.lines)


def env(**more: object) -> Command:
    return Command(command=("env",), **more)  # type: ignore[arg-type] - each test gives right ones


async def test_it_is_built_from_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")

    found = await environment(env(), deploy_context())

    assert {name for name in found if not name.startswith("TINYFORGE_")} == {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
    }
    assert found["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert found["LANG"] == "C.UTF-8"


async def test_a_manual_fire_tells_who_and_what_and_nothing_about_windows() -> None:
    found = await environment(env(), deploy_context())

    file = found.pop("TINYFORGE_EVENT_FILE")
    assert "tinyforge-run_0000000000001-" in file
    assert {name: text for name, text in found.items() if name.startswith("TINYFORGE_")} == {
        "TINYFORGE_RUN_ID": "run_0000000000001",
        "TINYFORGE_ATTEMPT": "1",
        "TINYFORGE_WORKLOAD": "site",
        "TINYFORGE_TRIGGER": "button",
        "TINYFORGE_EVENT_ID": "evt_0000000000001",
        "TINYFORGE_EVENT_KIND": "manual",
    }


@pytest.mark.parametrize(("folded", "told"), [(0, "0"), (7, "7"), (None, "100+")])
async def test_a_window_tells_its_moment_its_lateness_and_what_is_folded_into_it(
    folded: int | None, told: str
) -> None:
    context = deploy_context()
    event = msgspec.structs.replace(
        context.event,
        window=NEW_YEAR_2026,
        accepted_at=NEW_YEAR_2026 + 3 * SECOND // 2,
        folded=folded,
    )

    found = await environment(env(), msgspec.structs.replace(context, event=event))

    assert found["TINYFORGE_EVENT_WINDOW"] == "2026-01-01T00:00:00Z"
    assert found["TINYFORGE_EVENT_LATE_MS"] == "1500"
    assert found["TINYFORGE_EVENT_FOLDED"] == told


async def test_the_usual_facts_have_names_of_their_own_and_absent_ones_are_not_set() -> None:
    facts = {"branch": "main", "commit": "abc", "tag": None, "pusher": "me", "odd": "x", "image": 5}

    found = await environment(env(), deploy_context(facts))

    told = {name for name in found if name.startswith("TINYFORGE_EVENT_")}
    assert told - {"TINYFORGE_EVENT_ID", "TINYFORGE_EVENT_KIND", "TINYFORGE_EVENT_FILE"} == {
        "TINYFORGE_EVENT_BRANCH",
        "TINYFORGE_EVENT_COMMIT",
        "TINYFORGE_EVENT_PUSHER",
        "TINYFORGE_EVENT_IMAGE",
    }


@pytest.mark.parametrize(
    ("pointer", "told"),
    [
        ("/branch", "main"),
        ("/deep/list/1", "b"),
        ("/deep/~0~1", "tilde"),
        ("/deep/list", '["a","b"]'),
        ("/number", "3"),
        ("/yes", "true"),
        ("/none", None),
        ("/absent/deeper", None),
        ("/deep/list/2", None),
        ("/deep/list/01", None),
        ("/deep/list/-", None),
        ("/branch/0", None),
    ],
)
async def test_a_pointer_leads_to_a_fact(pointer: str, told: str | None) -> None:
    facts = {
        "branch": "main",
        "deep": {"list": ["a", "b"], "~/": "tilde"},
        "number": 3,
        "yes": True,
        "none": None,
    }

    found = await environment(env(env={"FACT": FromEvent(event=pointer)}), deploy_context(facts))

    assert found.get("FACT") == told


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a\nb", "holds control characters"),
        ("a\x1b[31m", "holds control characters"),
        ("a\0b", "holds control characters"),
        ("a\x85b", "holds control characters"),
        ("x" * 4_097, "is longer than 4 KiB"),
        ("ü" * 2_049, "is longer than 4 KiB"),
        ("\ud800", "is not valid Unicode"),
    ],
)
async def test_a_fact_that_a_variable_should_not_hold_is_only_in_the_file(
    value: str, why: str
) -> None:
    log = Written()
    command = Command(
        command=("sh", "-c", "echo ${FACT-unset}"), env={"FACT": FromEvent(event="/f")}
    )

    await command.deploy(deploy_context({"f": value}, log=log))

    assert log.lines == [
        f"FACT is not set: the fact {why}; it is in $TINYFORGE_EVENT_FILE",
        "unset",
    ]


async def test_a_fact_of_exactly_4_kib_is_told() -> None:
    command = env(env={"FACT": FromEvent(event="/f")})

    assert (await environment(command, deploy_context({"f": "x" * 4_096})))["FACT"] == "x" * 4_096


async def test_names_are_inherited_where_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAKEN_OVER", "yes")

    found = await environment(env(inherit=("TAKEN_OVER", "NOT_SET_AT_ALL")), deploy_context())

    assert found["TAKEN_OVER"] == "yes"
    assert "NOT_SET_AT_ALL" not in found


async def test_what_is_written_in_the_config_wins_over_the_usual() -> None:
    found = await environment(env(env={"PATH": "/bin:/usr/bin", "HOME": "/srv"}), deploy_context())

    assert (found["PATH"], found["HOME"]) == ("/bin:/usr/bin", "/srv")


async def test_references_are_resolved_and_their_values_stay_out_of_log_and_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKEN", "t0p-s3cret")
    log = Written()
    command = Command(
        command=(
            "sh",
            "-c",
            "echo $TOKEN; echo ${env:TOKEN} >&2; test $TOKEN = t0p-s3cret && exit 7",
        ),
        env={"TOKEN": "${env:TOKEN}"},
    )

    with pytest.raises(DeployFailed, match="sh exited with 7"):
        await command.deploy(deploy_context(log=log))

    assert log.lines == ["***", "***"]


async def test_a_value_in_the_name_of_a_missing_program_stays_out_of_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKEN", "t0p-s3cret")

    with pytest.raises(DeployFailed) as caught:
        await Command(command=("/no/${env:TOKEN}",)).deploy(deploy_context())

    assert "t0p-s3cret" not in str(caught.value)
    assert "/no/***" in str(caught.value)


async def test_a_reference_without_a_value_starts_nothing() -> None:
    log = Written()

    with pytest.raises(DeployFailed, match=r"\$\{env:NO_SUCH_NAME\}: is not set") as caught:
        await Command(command=("echo", "${env:NO_SUCH_NAME}")).deploy(deploy_context(log=log))

    assert not caught.value.retryable
    assert log.lines == []


def test_the_tests_did_not_change_our_own_environment() -> None:
    assert "TOKEN" not in os.environ
