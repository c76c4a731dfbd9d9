"""`tinyforge plan`, `apply` and `export`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from msgspec import json
from msgspec.structs import replace

from tests.cli.calls import Calls
from tests.cli.desk import Desk
from tinyforge.operations.answers import ChangeView, ExportView, FieldView, PlanView, WouldFire
from tinyforge.operations.views import ManifestRequest

CHANGED = PlanView(
    source="tinyforge.yaml",
    name="default",
    changes=[
        ChangeView(
            what="trigger",
            name="often",
            action="create",
            fields=[FieldView(name="interval", before=None, after="10m")],
        ),
        ChangeView(
            what="workload",
            name="site",
            action="update",
            fields=[FieldView(name="command", before=["a"], after=["a", "b" * 100])],
        ),
    ],
    would_fire=[WouldFire(trigger="often", why="first: now")],
    warnings=["nightly is no longer in the file"],
    unchanged=3,
    next_command="tinyforge apply tinyforge.yaml",
)
SAME = PlanView(source="tinyforge.yaml", name="default", changes=[], unchanged=5)


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "tinyforge.yaml"
    path.write_text("version: 1\n")
    return str(path)


def test_a_plan_is_a_diff_that_says_what_would_fire(desk: Desk, call: Calls, manifest: str) -> None:
    desk.say("POST /manifest/plan", CHANGED)
    said = call("plan", manifest)
    assert said.code == 0
    assert said.lines[:4] == [
        "+ trigger often",
        "    interval: 10m",
        "~ workload site",
        f'    command: ["a"] → ["a","{"b" * 54}…',
    ]
    assert said.lines[4] == "1 to create, 1 to update, 3 unchanged"
    assert said.lines[5] == "often would fire at once: first: now"
    assert said.err.splitlines()[0] == "warning: nightly is no longer in the file"
    assert said.last.startswith("next: tinyforge apply tinyforge.yaml")


def test_check_exits_1_only_where_something_would_change(
    desk: Desk, call: Calls, manifest: str
) -> None:
    desk.say("POST /manifest/plan", CHANGED, SAME)
    assert call("plan", manifest, "--check").code == 1
    assert call("plan", manifest, "--check").code == 0


def test_apply_sends_the_text_and_the_flags(desk: Desk, call: Calls, manifest: str) -> None:
    desk.say("POST /manifest/apply", PlanView(source=manifest, name="default", changes=[]))
    assert call("apply", manifest, "--prune", "--adopt", "--fire").code == 0
    sent = json.decode(desk.asked[0].body, type=ManifestRequest)
    assert sent == ManifestRequest(
        source=manifest, text="version: 1\n", prune=True, adopt=True, fire=True
    )


def test_a_manifest_may_come_by_standard_input(
    desk: Desk, call: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.say("POST /manifest/plan", SAME)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("version: 1 # ä\n".encode())))
    assert call("plan", "-").code == 0
    assert json.decode(desk.asked[0].body, type=ManifestRequest).source == "-"


LEFT = ChangeView(what="trigger", name="old", action="unchanged", notes=["--prune removes it"])


def test_rows_that_left_the_file_are_counted_apart(desk: Desk, call: Calls, manifest: str) -> None:
    desk.say("POST /manifest/plan", replace(CHANGED, changes=[*CHANGED.changes, LEFT]))
    said = call("plan", manifest)
    assert "1 to create, 1 to update, 3 unchanged, 1 no longer in the file" in said.lines


def test_rows_that_left_the_file_are_no_change(desk: Desk, call: Calls, manifest: str) -> None:
    desk.say("POST /manifest/plan", replace(SAME, changes=[LEFT]))
    said = call("plan", manifest, "--check")
    assert said.code == 0
    assert said.lines[-1].endswith("5 rows are as it says, 1 no longer in the file")


def test_a_file_that_is_not_there_says_how_to_get_one(desk: Desk, call: Calls) -> None:
    said = call("plan", "none.yaml")
    assert said.code == 2
    assert said.err == "error: there is no file none.yaml\nfix: tinyforge init writes one\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"version: 1\n\xff\n", ":2: not UTF-8"), (b"#" * (17 << 20), "larger than 16 MiB")],
)
def test_a_file_that_is_no_text_is_refused_with_its_line(
    content: bytes, said: str, desk: Desk, call: Calls, tmp_path: Path
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    refused = call("apply", str(path))
    assert refused.code == 2
    assert said in refused.err
    assert desk.asked == []


def test_a_folder_is_no_manifest(desk: Desk, call: Calls, tmp_path: Path) -> None:
    refused = call("apply", str(tmp_path))
    assert (refused.code, "Is a directory" in refused.err) == (2, True)


def test_an_export_is_the_text_alone(desk: Desk, call: Calls) -> None:
    desk.say("GET /manifest/export", ExportView(text="version: 1\n# \t ok\n"))
    assert call("export").out == "version: 1\n# \t ok\n"
