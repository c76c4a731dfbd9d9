"""Whatever an event holds, a command is the one of its config, in the environment of its config."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kinds.endpoint import endpoint
from tests.security.hostile import CANARY, COMMANDS, TEMPLATES
from tinyforge.errors import DeployFailed
from tinyforge.outbound import close_outbound
from tinyforge.references import resolve
from tinyforge.testing.kinds import Written, deploy_context
from tinyforge.workloads.command import Command
from tinyforge.workloads.environment import TOLD
from tinyforge.workloads.facts import FromEvent
from tinyforge.workloads.http import Http

SHOW = """
import json, os, sys
argv = open("/proc/self/cmdline").read().split(chr(0))[:-1]
print(json.dumps({"argv": argv, "environ": dict(os.environ)}))
"""
SHELL = """#!/bin/sh
set -eu
touch_none="$TINYFORGE_EVENT_BRANCH"
printf '%s\\n' "$FACT0" > "$OUT"
"""
STEERING = (
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME"),
    *("GIT_SSH_COMMAND", "GIT_CONFIG_COUNT", "GIT_DIR", "PATH", "DOCKER_HOST", "DOCKER_CONFIG"),
    *("BASH_ENV", "ENV", "NODE_OPTIONS", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS", "IFS"),
    *(
        "HTTP_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "HOME",
        "SHELL",
        "TINYFORGE_RUN_ID",
        "SSL_CERT_FILE",
    ),
)
OUR_OWN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def canary_is_absent() -> bool:
    return not Path(CANARY).exists()


async def shown(command: Command, facts: dict[str, object]) -> dict[str, object]:
    log = Written()
    await command.deploy(deploy_context(facts, log=log))
    (line,) = (one for one in log.lines if one.startswith('{"argv"'))
    found: dict[str, object] = json.loads(line)
    return found


def hostile_facts() -> dict[str, object]:
    """Give the usual facts and a list, all of them hostile."""
    usual = dict(zip(TOLD, COMMANDS, strict=False))
    return {**usual, "all": list(COMMANDS)}


async def test_security_row_1_argv_is_the_config_whatever_the_facts_say() -> None:
    argv = (sys.executable, "-c", SHOW, "$FACT0", "`id`", "{event: /branch}", "*")
    env: dict[str, str | FromEvent] = {
        f"FACT{place}": FromEvent(event=f"/all/{place}") for place in range(len(COMMANDS))
    }

    found = await shown(Command(command=argv, env=env), hostile_facts())

    assert found["argv"] == list(argv)
    environ = found["environ"]
    assert isinstance(environ, dict)
    assert [environ[f"FACT{place}"] for place in range(len(COMMANDS))] == list(COMMANDS)
    for name, text in zip(TOLD, COMMANDS, strict=False):
        assert environ[f"TINYFORGE_EVENT_{name.upper()}"] == text
    assert canary_is_absent()


@pytest.mark.parametrize("text", COMMANDS)
async def test_security_row_1_a_script_that_quotes_gets_the_text_itself(
    text: str, tmp_path: Path
) -> None:
    script, out = tmp_path / "deploy.sh", tmp_path / "out"
    script.write_text(SHELL)
    script.chmod(0o755)
    env: dict[str, str | FromEvent] = {"FACT0": FromEvent(event="/text"), "OUT": str(out)}

    await Command(command=(str(script),), env=env).deploy(
        deploy_context({"text": text, "branch": text})
    )

    assert out.read_text() == f"{text}\n"
    assert canary_is_absent()


@pytest.mark.parametrize("text", ["touch x", "echo $(id)", "deploy.sh; id"])
def test_security_row_1_a_command_is_never_one_text(text: str) -> None:
    with pytest.raises(ValueError, match="must be a list"):
        Command(command=text)


async def test_security_row_1_a_program_is_executed_once_and_no_shell(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    trace, driver = tmp_path / "trace", tmp_path / "driver.py"
    driver.write_text(
        "import asyncio, json, sys\n"
        "from tinyforge.testing.kinds import deploy_context\n"
        "from tinyforge.workloads.command import Command\n"
        "from tinyforge.workloads.facts import FromEvent\n"
        "facts = json.loads(sys.argv[1])\n"
        "env = {'FACT': FromEvent(event='/all/5')}\n"
        "command = Command(command=('/bin/true', '$FACT', '; id'), env=env)\n"
        "asyncio.run(command.deploy(deploy_context(facts)))\n"
    )
    words = [strace, "-f", "-qq", "-s", "9999", "-e", "trace=execve", "-o", str(trace)]
    done = subprocess.run(
        [*words, sys.executable, str(driver), json.dumps(hostile_facts())],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    calls = [line for line in trace.read_text().splitlines() if "execve(" in line]
    ours = [line for line in calls if "driver.py" not in line]
    assert len(ours) == 1, calls
    assert '["/bin/true", "$FACT", "; id"]' in ours[0]
    assert canary_is_absent()


# --- templates


async def test_security_row_25_what_looks_like_a_template_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLANTED", "the server's secret")
    env: dict[str, str | FromEvent] = {
        f"FACT{place}": FromEvent(event=f"/all/{place}") for place in range(len(TEMPLATES))
    }
    facts: dict[str, object] = {"all": list(TEMPLATES), "branch": TEMPLATES[-5]}

    found = await shown(Command(command=(sys.executable, "-c", SHOW), env=env), facts)

    environ = found["environ"]
    assert isinstance(environ, dict)
    assert [environ[f"FACT{place}"] for place in range(len(TEMPLATES))] == list(TEMPLATES)
    assert "the server's secret" not in json.dumps(found)
    assert resolve("${env:PLANTED}") == "the server's secret"  # where the config says it


async def test_security_row_25_a_call_sends_facts_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLANTED", "the server's secret")
    wanted = {"event": "/all"}
    async with endpoint() as server:
        for text in TEMPLATES:
            kind = Http(
                url=server.url,
                headers={"X-Fact": FromEvent(event="/text")},
                body={"text": {"event": "/text"}, "all": wanted, "deep": [{"event": "/nested"}]},
            )
            nested = {"event": "/text", "inner": text}
            await kind.deploy(deploy_context({"text": text, "all": [text], "nested": nested}))
    await close_outbound()

    assert len(server.calls) == len(TEMPLATES)
    for call, text in zip(server.calls, TEMPLATES, strict=True):
        nested = {"event": "/text", "inner": text}
        assert json.loads(call.body) == {"text": text, "all": [text], "deep": [nested]}
        assert call.headers["x-fact"] == text
        assert "the server's secret" not in f"{call.headers}{call.body!r}"


async def test_security_row_25_a_fact_that_looks_like_a_pointer_is_not_followed() -> None:
    async with endpoint() as server:
        kind = Http(url=server.url, body={"text": {"event": "/given"}})
        facts = {"given": {"event": "/secret"}, "secret": "not asked for"}
        await kind.deploy(deploy_context(facts))
    await close_outbound()

    assert json.loads(server.calls[0].body) == {"text": {"event": "/secret"}}


async def test_security_row_1_a_header_takes_no_line_break_from_a_fact() -> None:
    kind = Http(url="http://127.0.0.1:9/", headers={"X-Fact": FromEvent(event="/text")})
    for text in ("a\r\nX-Evil: 1", "a\nb", "a\0b"):
        with pytest.raises(DeployFailed, match="header X-Fact: the fact holds control characters"):
            await kind.deploy(deploy_context({"text": text}))


# --- the environment


@pytest.mark.parametrize("name", STEERING)
@pytest.mark.parametrize("case", [str, str.lower, str.upper])
def test_security_row_28_no_event_fills_a_variable_that_steers_programs(
    name: str, case: type[str]
) -> None:
    with pytest.raises(ValueError, match=r"env\.|env: "):
        Command(command=("true",), env={case(name): FromEvent(event="/branch")})


@given(
    prefix=st.sampled_from(
        ["LD_", "PYTHON", "GIT_", "DOCKER_", "TINYFORGE_", "DYLD_", "BASH_", "NODE_"]
    ),
    rest=st.from_regex(r"[A-Za-z0-9_]{1,12}", fullmatch=True),
)
def test_security_row_28_no_name_of_these_families_is_filled(prefix: str, rest: str) -> None:
    with pytest.raises(ValueError, match=r"env\.|env: "):
        Command(command=("true",), env={prefix + rest: FromEvent(event="/branch")})


@given(name=st.text(max_size=12))
def test_security_row_28_a_name_is_a_name_or_is_refused(name: str) -> None:
    try:
        Command(command=("true",), env={name: "x"})
    except ValueError:
        is_taken = False
    else:
        is_taken = True
    assert is_taken == bool(OUR_OWN.fullmatch(name) and not name.startswith("TINYFORGE_"))


async def test_security_row_28_a_child_sees_what_was_declared_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (*STEERING, "AWS_SECRET_ACCESS_KEY", "TINYFORGE_TOKEN", "DECLARED"):
        monkeypatch.setenv(name, f"/nowhere/{name}")
    command = Command(command=(sys.executable, "-c", SHOW), inherit=("DECLARED",))

    environ = (await shown(command, {"LD_PRELOAD": "x", "env": {"PATH": "/evil"}}))["environ"]

    assert isinstance(environ, dict)
    told = {name for name in environ if not name.startswith("TINYFORGE_")}
    own = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "DECLARED"}
    assert told - {"LC_CTYPE"} == own  # which Python sets for itself
    assert not [
        name for name, text in environ.items() if "/nowhere/" in text and name != "DECLARED"
    ]
