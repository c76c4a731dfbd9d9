from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import asyncio, inspect, json, sys
from tinyforge.errors import UnknownKind
from tinyforge.model import Event
from tinyforge.plugins import Plugins
from tinyforge.testing.kinds import check_trigger_kind, check_workload_kind, deploy_context

plugins = Plugins.discover()
lazy = not any(name.startswith("tinyforge_") for name in sys.modules)
path = sys.argv[1]

def refusal(kind):
    try:
        plugins.workload(kind, {})
    except UnknownKind as problem:
        return str(problem)

async def deploy(kind):
    context = deploy_context()
    workload = plugins.workload(kind, {"path": path})
    if inspect.iscoroutinefunction(workload.deploy):
        await workload.deploy(context)
    else:
        await asyncio.to_thread(workload.deploy, context)
    return context.log.lines

tide = plugins.trigger("tide", {"harbour": "Bremen"})
match = tide.matcher({"at_least": 4})
check_trigger_kind(
    type(tide), good=[{"harbour": "Bremen"}], bad=[{}, {"harbour": ""}, {"harbour": 1}],
    rules=[{}, {"at_least": 4}], bad_rules=[{"least": 4}],
)
check_workload_kind(plugins.workload_class("note"), good=[{"path": path}], bad=[{}])
fire = lambda metres: match(deploy_context({"metres": metres}).event)
print(json.dumps({
    "lazy": lazy,
    "triggers": plugins.trigger_kinds(),
    "workloads": plugins.workload_kinds(),
    "matches": [fire(metres).deploy for metres in (3, 4, 5)],
    "reason": fire(3).reason,
    "logs": [asyncio.run(deploy("note")), asyncio.run(deploy("note-in-thread"))],
    "idempotent": [plugins.idempotent("note"), plugins.idempotent("note-in-thread")],
    "refusals": [refusal("note-broken"), refusal("note-of-tomorrow")],
    "mistakes": plugins.mistakes("trigger", "tide", {"harbor": "Bremen"}),
}))
"""


def test_kinds_of_somebody_else_work_without_touching_ours(
    thirdparty_python: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"

    done = subprocess.run(
        [thirdparty_python, "-c", PROGRAM, notes], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["lazy"], "finding kinds must import none"
    assert {"manual", "run", "schedule", "tide"} <= set(found["triggers"])
    assert {"command", "http", "note", "note-in-thread"} <= set(found["workloads"])
    assert found["matches"] == [False, True, True]
    assert found["reason"] == "3 is not at least 4 metres in Bremen"
    assert found["logs"] == [[f"noted in {notes}"]] * 2
    assert notes.read_text() == (
        "note site run_0000000000001 1\nnote-in-thread site run_0000000000001 1\n"
    )
    assert found["idempotent"] == [True, False]
    assert found["mistakes"] == [
        ["harbor", "unknown field; did you mean 'harbour'?"],
        ["harbour", "is missing"],
    ]


def test_a_kind_that_cannot_be_used_names_its_distribution(
    thirdparty_python: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [thirdparty_python, "-c", PROGRAM, tmp_path / "notes.txt"],
        capture_output=True,
        text=True,
        check=True,
    )

    broken, tomorrow = json.loads(done.stdout)["refusals"]
    assert "tinyforge-notes 2.0 fails at import (ImportError: libnote.so is missing)" in broken
    assert "tinyforge-notes 2.0: it needs plugin api 99, this program speaks 1" in tomorrow
