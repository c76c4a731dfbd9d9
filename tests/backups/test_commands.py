"""What people call: one server from its first secret to its restore."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.backups.place import CANARY, Folder, rows
from tests.cli.calls import Calls
from tests.hooks.calling import ask, github
from tests.inbound.forges import github_push
from tests.inbound.sending import SECRET
from tests.server.place import Place, Server
from tests.torture import served

ENDPOINT = "push-" + "k" * 40
MANIFEST = f"""
workloads:
  site: {{kind: command, command: ["true"], queue: every}}
triggers:
  push: {{kind: github, secret: "{SECRET}", endpoint: {ENDPOINT}}}
  hub: {{kind: dockerhub}}
bindings:
  - {{trigger: push, workload: site}}
"""


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(tmp_path, capsys)


def push(server: Server, delivery: str) -> int:
    """Push as GitHub does, signed by openssl."""
    return ask(server.port, f"/hooks/{ENDPOINT}", *github(github_push(), delivery)).status


def test_a_typed_secret_takes_deliveries_through_a_rotation_a_backup_and_a_restore(
    place: Place,
) -> None:
    place.write(MANIFEST)
    with place.serving() as server:
        assert push(server, "one") == 202
        assert "sealed with the new key" in place.done("key", "rotate").out
        assert push(server, "two") == 202
        made = json.loads(place.asked("backup", "--to", str(place.folder / "copy.db")))
        assert push(server, "three") == 202
        refused = place.call("restore", made["file"], "--force")
        assert (refused.code, "a server has" in refused.err) == (1, True)
        server.stop()
    restored = place.done("restore", made["file"], "--force")
    assert "copy.db of " in restored.out
    assert "tokens and secrets are as they were then" in restored.err
    with place.serving() as server:
        assert push(server, "three") == 202, "it is new to the database of before"
        checks = json.loads(place.call("doctor", "--json").out)["checks"]
        (key,) = [one for one in checks if one["name"] == "key"]
        assert made["keys"][0] in key["what"]
        assert place.done("verify").code == 0
        server.stop()
    for path in place.folder.rglob("*"):
        if path.is_file() and path != place.manifest:
            assert SECRET.encode() not in path.read_bytes(), path


def test_row_14_of_security_without_its_key_a_server_does_not_start(place: Place) -> None:
    place.write(MANIFEST)
    with place.serving() as server:
        server.stop()
    key = place.data / "key"
    key_id = key.read_text().split()[-2]
    key.rename(place.folder / "elsewhere")
    said = ended(place)
    assert f"the key {key_id} is wanted" in said
    shutil.copy2(place.folder / "elsewhere", key)
    key.chmod(0o644)
    assert f"fix: chmod 600 {key}" in ended(place)
    key.chmod(0o600)
    with place.serving() as server:
        assert push(server, "one") == 202


def ended(place: Place) -> str:
    """Start a server that ends by itself, with 1, and return what it said."""
    with served.serving(place.folder) as process:
        assert process.ended() == 1
        return process.last_words()


def test_people_hear_what_a_backup_needs_and_a_restore_did(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    call = Calls(capsys, folder.data)
    said = call("backup")
    (made,) = (folder.data / "backups").iterdir()
    assert said.code == 0
    assert f"{made}: {made.stat().st_size:,} bytes" in said.out
    assert f"keep a copy of {folder.key}, and not beside the backup" in said.err
    assert CANARY.encode() not in made.read_bytes()
    refused = call("restore", str(made))
    assert (refused.code, "give --force" in refused.err) == (1, True), refused
    done = call("restore", str(made), "--force", "--skip-missed")
    assert done.code == 0
    assert "missed windows are skipped: " in done.out
    assert "next: tinyforge serve --data" in done.err
    assert rows(folder.database, "SELECT after FROM audit ORDER BY id DESC LIMIT 1") == [
        ("missed windows skipped",)
    ]


def test_from_afar_nothing_is_backed_up_or_restored(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TINYFORGE_URL", "https://forge.example.org")
    monkeypatch.chdir(tmp_path)
    call = Calls(capsys, tmp_path)
    for words in (("backup",), ("restore", "copy.db")):
        said = call.bare(*words)
        assert (said.code, "where the server's data lies" in said.err) == (1, True)
    assert not list(tmp_path.iterdir())
