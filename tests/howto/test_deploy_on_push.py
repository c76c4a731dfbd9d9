"""What the page about deploys on a push tells to type, typed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import json

from tests.cli.served import SOURCE, serving
from tests.deploy.pages import blocks, typed

pytestmark = pytest.mark.slow

PAGE = "howto/deploy-on-push.md"
GIT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}


@dataclass(frozen=True)
class Place:
    """A folder in which a person follows the page; `/srv/site` lies in it."""

    folder: Path

    @property
    def variables(self) -> Mapping[str, str]:
        return {
            **os.environ,
            **GIT,
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(SOURCE),
            "TINYFORGE_DATA": str(self.folder / "data"),
        }

    def type(self, commands: str) -> str:
        here = commands.replace("/srv/site", str(self.folder / "site"))
        return typed(here, self.folder, self.variables)

    def commit(self, name: str) -> str:
        """Commit a file at the origin, and return the commit's id."""
        origin = self.folder / "origin"
        (origin / name).write_text(f"{name}\n")
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", f"Add {name}")
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *words: str) -> str:
        at = ["git", "-C", str(self.folder / "origin"), *words]
        done = subprocess.run(at, env=self.variables, capture_output=True, text=True, check=True)
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    for needed in ("git", "curl", "openssl"):
        if shutil.which(needed) is None:
            pytest.skip(f"needs {needed}")
    place = Place(tmp_path_factory.mktemp("page"))
    command = place.folder / "tinyforge"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tinyforge "$@"\n')
    command.chmod(0o755)
    (place.folder / "origin").mkdir()
    place.git("init", "--quiet", "--initial-branch", "main")
    place.commit("first")
    place.type("git clone --quiet origin /srv/site")
    (begun,) = [one for one in blocks(PAGE, "## The manifest") if "init" in one]
    place.type(begun)
    manifest = place.folder / "tinyforge.yaml"
    manifest.write_text(manifest.read_text().replace("/srv/site", str(place.folder / "site")))
    with serving(place.folder / "data", "--config", str(manifest)):
        yield place


def test_the_folder_deploys_and_a_sample_is_taken(place: Place) -> None:
    (tried,) = [one for one in blocks(PAGE, "## The manifest") if "trigger test" in one]
    told = place.type(tried)
    assert "Add first" in told
    assert "matched" in told


def test_a_push_by_hand_checks_its_commit_out_and_is_found_afterwards(place: Place) -> None:
    commit = place.commit("second")
    place.type("git -C /srv/site fetch --quiet")
    (by_hand,) = blocks(PAGE, "## Without a forge")
    answer = json.decode(place.type(by_hand))
    (binding,) = answer["bindings"]
    assert binding["outcome"] == "matched"
    logs = place.type(f"tinyforge run logs --follow {binding['run_id']}")
    assert "Add second" in logs
    assert place.type("git -C /srv/site rev-parse HEAD").strip() == commit
    (looked,) = blocks(PAGE, "## When nothing is deployed")
    told = place.type(looked)
    assert answer["event_id"] in told
    assert binding["run_id"] in told
