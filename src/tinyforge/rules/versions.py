"""Ranges of semantic versions, as npm writes them."""

from __future__ import annotations

import re

from nodesemver import make_range

LONGEST_TAG = 256  # characters of a tag that may be a version
RANGE = re.compile(r"[\^~<>=]|.*(?:\s|\|\|)|v?\d+(?:\.\d+)?\.[xX](?:\.[xX])?\Z", re.DOTALL)
VERSION = re.compile(
    r"v?(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?P<pre>-[0-9a-z.-]+)?(?:\+[0-9a-z.-]+)?",
    re.ASCII | re.IGNORECASE,
)


def is_range(text: str) -> bool:
    """Say whether *text* is a range. A tag is never called `^1` or `>=1 <2`, and hardly `1.x`."""
    return RANGE.match(text) is not None


class Range:
    """Versions, with `v` before them or not. Raises ValueError for what is no range."""

    def __init__(self, text: str) -> None:
        self.text = text
        parts = [" ".join(part.split()) for part in text.split("||")]
        if not all(parts):
            raise ValueError("nothing stands beside `||`; write a range there, or remove it")
        try:
            self._range = make_range(" || ".join(parts), loose=False)
        except ValueError as problem:
            raise ValueError(
                f"{text!r} is no range of versions ({problem});"
                " write one such as ^1.4, ~1.4.2, 1.x, or >=1.2 <2"
            ) from problem

    def matches(self, tag: str) -> bool:
        if len(tag) > LONGEST_TAG or not VERSION.fullmatch(tag):
            return False
        try:
            return self._range.test(tag)
        except ValueError:  # 1.0.0-01 and the like
            return False

    def hint(self, tag: str) -> str:
        """Say what is special about a *tag* that does not match, as the end of a sentence."""
        version = VERSION.fullmatch(tag[: LONGEST_TAG + 1])
        if not version:
            return "; it is no version such as 1.4.2"
        return "; pre-releases match only where one is named" if version["pre"] else ""
