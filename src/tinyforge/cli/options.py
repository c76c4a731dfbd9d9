"""What every command takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Shared:
    data: Annotated[
        str | None, Parameter(help="The server's data folder. [default: ./tinyforge-data]")
    ] = None
    json: Annotated[bool, Parameter(help="JSON for programs, in UTC.")] = False
    utc: Annotated[bool, Parameter(help="Read and show times in UTC.")] = False


DEFAULT = Shared()
SWITCHES = ("--json", "--utc")
VALUED = ("--data",)


def shared_last(words: list[str]) -> list[str]:
    """Let `tinyforge --json run list` mean `tinyforge run list --json`."""
    moved: list[str] = []
    rest = list(words)
    while rest and (rest[0] in SWITCHES or rest[0].partition("=")[0] in VALUED):
        alone = rest[0] in SWITCHES or "=" in rest[0]
        moved += [rest.pop(0) for _ in range(min(1 if alone else 2, len(rest)))]
    end = rest.index("--") if "--" in rest else len(rest)
    return rest[:end] + moved + rest[end:]
