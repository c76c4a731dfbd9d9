"""A program's output, as lines that are safe to keep and to show."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator

from tinyforge.references import Secrets

LONGEST_LINE = 16 * 1024  # bytes
CUT = " [the rest of this line was cut]"
# ECMA-48 sequences: CSI, the string-like ones (OSC, DCS, …) and the two-character escapes.
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]"
)
# What is left of control characters, and those that reorder or hide text.
HARMFUL = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


class Lines:
    """Bytes in, finished lines out; whatever comes in, it holds little more than one line."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        self._most = LONGEST_LINE + secrets.longest
        self._open = ""
        self._was_cut = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        *ended, rest = self._decoder.decode(chunk).split("\n")
        for part in ended:
            self._append(part)
            yield self._take()
        self._append(rest)

    def end(self) -> Iterator[str]:
        """Yield what was begun and not ended."""
        self._append(self._decoder.decode(b"", final=True))
        if self._open:
            yield self._take()

    def _append(self, part: str) -> None:
        room = self._most - len(self._open)
        self._open += part[:room]
        self._was_cut |= len(part) > room

    def _take(self) -> str:
        line = self._secrets.redact(self._open)
        if self._was_cut:  # half a secret may stand at the cut
            line = line[: max(0, len(line) - self._secrets.longest)]
        line, self._open, was_cut, self._was_cut = clean(line), "", self._was_cut, False
        return _shorten(line, was_cut=was_cut)


def clean(text: str) -> str:
    """Take out colours and cursor movements; spell out every other control character."""
    if text.isprintable():
        return text
    return HARMFUL.sub(lambda found: _spell(ord(found[0])), ESCAPES.sub("", text))


def _spell(code: int) -> str:
    return f"\\u{code:04x}" if code >> 8 else f"\\x{code:02x}"


def _shorten(line: str, *, was_cut: bool) -> str:
    encoded = line.encode()
    if not was_cut and len(encoded) <= LONGEST_LINE:
        return line
    return encoded[: LONGEST_LINE - len(CUT)].decode(errors="ignore") + CUT
