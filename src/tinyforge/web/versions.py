"""ETags: which version of a row an answer tells of, and a change is of."""

from __future__ import annotations

import re
from typing import TypeVar

from litestar import Response
from litestar.exceptions import ValidationException

from tinyforge.operations.views import View

V = TypeVar("V", bound=View)
TAG = re.compile(r'"([\x21\x23-\x7e]*)"')


def versioned(view: V, revision: str | None, status: int = 200) -> Response[V]:
    """Answer with an ETag; a row that no sweep has seen has none."""
    headers = {"Cache-Control": "no-store"}
    if revision is not None:
        headers["ETag"] = f'"{revision}"'
    return Response(view, status_code=status, headers=headers)


def version_of(header: str | None) -> str | None:
    """Read an If-Match: one strong ETag, or `*`."""
    if header is None or header.strip() == "*":
        return header and header.strip()
    found = TAG.fullmatch(header.strip())
    if found is None:
        message = f'{header[:80]!r} is no ETag such as "rev_…", and not *'
        raise ValidationException(extra=[{"key": "If-Match", "message": message}])
    return found[1]
