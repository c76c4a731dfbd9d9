"""A text -> YAML that every reader takes for the same text, those of YAML 1.1 too."""

from __future__ import annotations

import json
import re
from functools import lru_cache

from tinyforge.manifest.text import FORBIDDEN

WORD = r"[\w./@%+=,-]+(?::[\w./@%+=,-]+)*"
# begins with a letter or a path, so that no reader takes it for a number, a date or a sign
PLAIN = re.compile(rf"(?=-{{0,2}}[A-Za-z]|\.{{0,2}}/){WORD}(?: {WORD})*", re.ASCII)
DURATION = re.compile(r"(?:\d+[wdhms])+", re.ASCII)
WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# allowed in a file, and still taken for a line break, a byte order mark or nothing at all
UNSEEN = re.compile("[\x85\xa0\u2028\u2029\ufeff]")
ODD_LINE = re.compile(r"[\r\t]|\A[ \n]| $", re.MULTILINE)


@lru_cache(10_000)
def scalar(text: str) -> str:
    """Return *text* bare where that is safe, else in double quotes."""
    is_bare = PLAIN.fullmatch(text) or DURATION.fullmatch(text)
    return text if is_bare and text.lower() not in WORDS else _quoted(text)


def block(text: str, pad: str) -> list[str] | None:
    """Return *text* as a literal block, its first line for behind the colon; None: quote it."""
    body = text.removesuffix("\n")
    if "\n" not in body or body.endswith("\n") or ODD_LINE.search(body):
        return None
    if FORBIDDEN.search(body) or UNSEEN.search(body):
        return None
    lines = (f"{pad}{line}" if line else "" for line in body.split("\n"))
    return ["|" if body != text else "|-", *lines]


def _quoted(text: str) -> str:
    return UNSEEN.sub(_escaped, FORBIDDEN.sub(_escaped, json.dumps(text, ensure_ascii=False)))


def _escaped(found: re.Match[str]) -> str:
    is_half = not found[0].encode(errors="ignore")  # a lone surrogate, which YAML cannot write
    return "\ufffd" if is_half else f"\\u{ord(found[0]):04x}"
