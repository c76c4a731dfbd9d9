from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.engine import Engine, own_engine
from tests.deploy.images import BASE, POSTGRES, make_base, make_postgres, make_wheels
from tests.deploy.pages import blocks, typed

ROOT = Path(__file__).parents[2]
OURS = ("pyproject.toml", "README.md", "LICENSE", "src", "deploy")
BUILDS = "docker build -f"


@dataclass(frozen=True)
class Checkout:
    """A copy of what a person has who follows the pages, and an engine that knows no registry."""

    engine: Engine
    folder: Path

    @property
    def variables(self) -> Mapping[str, str]:
        engine = self.engine.variables
        return {
            **engine,
            "PATH": f"{Path(sys.executable).parent}:{engine['PATH']}",
            "POSTGRES_IMAGE": POSTGRES,
            "PIP_NO_BUILD_ISOLATION": "0",  # which is how pip spells that there shall be none
            "PIP_NO_INDEX": "1",
        }

    def type(self, commands: str, within: str = ".") -> str:
        """Type a page's commands; images begin with ours, and nothing is fetched."""
        arguments = f"--build-arg BASE={BASE} --build-arg PIP_NO_INDEX=1"
        ours = commands.replace(BUILDS, f"docker build {arguments} -f")
        return typed(ours, self.folder / within, self.variables)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with own_engine() as engine:
        make_base(engine, tmp_path_factory.mktemp("base"))
        make_postgres(engine, tmp_path_factory.mktemp("postgres"))
        yield engine


@pytest.fixture(scope="session")
def checkout(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Give a checkout in which the image was made as the page says."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in OURS:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    (folder / "dist").mkdir()
    make_wheels(folder / "dist")
    ours = Checkout(engine, folder)
    made, _, _ = blocks("deploy.md", "## A container")[0].partition("docker run")
    ours.type(made)
    return ours
