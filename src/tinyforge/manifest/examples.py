"""Manifests to begin with; the files lie in `examples/`."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from secrets import token_urlsafe

from tinyforge.errors import NotFound

DEFAULT = "default"
SUFFIX = ".yaml"
FOLDER = files("tinyforge.manifest").joinpath("examples")


def names() -> tuple[str, ...]:
    """Return the names of all examples, the one for a beginning first."""
    found = sorted(
        file.name.removesuffix(SUFFIX) for file in FOLDER.iterdir() if file.name.endswith(SUFFIX)
    )
    return (DEFAULT, *(name for name in found if name != DEFAULT))


def text(name: str, timezone: str) -> str:
    """Return an example, its schedules in *timezone* and with a new secret; raise NotFound."""
    if name not in (known := names()):
        raise NotFound("example", name, next(iter(get_close_matches(name, known, 1)), None))
    written = FOLDER.joinpath(f"{name}{SUFFIX}").read_text("utf-8")
    return written.replace("{timezone}", timezone).replace("{secret}", token_urlsafe())
