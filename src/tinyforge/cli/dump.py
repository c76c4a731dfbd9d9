"""Headers as people keep them: `Name: value` lines, a request as it was sent, or `curl -v`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tinyforge.cli.failure import CalledWrongly

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
REQUEST = re.compile(r"[A-Z]+ \S+ HTTP/\S+|Request (URL|method): .*")  # the second is GitHub's
SENT, OTHERS = ">", ("*", "<", "{ [", "} [")  # marks of curl's lines


def read_headers(text: str, source: str) -> Mapping[str, str]:
    """Return names in lower case -> values; raise CalledWrongly with the line that is no header."""
    found: dict[str, str] = {}
    for number, line in _lines(text):
        name, colon, value = line.partition(":")
        if not colon or not NAME.fullmatch(name.strip()):
            raise CalledWrongly(
                f"{source}:{number}: no header: {line[:60]!r}",
                "one `Name: value` a line, or what curl -v shows",
            )
        key = name.strip().lower()
        found[key] = f"{found[key]}, {value.strip()}" if key in found else value.strip()
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    lines = [(number, line.rstrip()) for number, line in enumerate(text.split("\n"), 1)]
    if any(line.startswith(SENT) for _, line in lines):
        lines = [(number, line[1:].strip()) for number, line in lines if line.startswith(SENT)]
    for number, line in lines:
        if line.strip() and not REQUEST.fullmatch(line) and not line.startswith(OTHERS):
            yield number, line
