"""Long lists, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, TypeAlias, TypeVar

from cyclopts import Parameter
from cyclopts.types import PositiveInt
from msgspec import Raw, json

from tinyforge.cli.screen import Screen

T = TypeVar("T")
Limit: TypeAlias = Annotated[PositiveInt, Parameter(show_default=True, help="The newest so many.")]


def items(pages: Iterable[list[Raw]], kind: type[T]) -> Iterator[T]:
    for page in pages:
        for item in page:
            yield json.decode(item, type=kind)


def raw_list(out: Screen, pages: Iterable[list[Raw]]) -> int:
    """Write one page of all, as the API writes each."""
    whole = [item for page in pages for item in page]
    return out.raw(json.encode({"items": whole}))
