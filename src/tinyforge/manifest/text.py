"""Bytes of a file -> text that a YAML parser accepts."""

from __future__ import annotations

import re

from tinyforge.manifest.mistakes import Mistakes

LARGEST = 16 * 1024 * 1024  # bytes
UTF_8_MARK = "\ufeff"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# what YAML 1.2 (5.1) does not allow in a file
FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode(data: bytes | str, mistakes: Mistakes) -> str:
    """Return the text without a byte order mark; raise InvalidManifest."""
    if len(data) > LARGEST:
        mistakes.add(None, "", f"larger than {LARGEST >> 20} MiB; divide it into several manifests")
        raise mistakes.error()
    text = data if isinstance(data, str) else _utf_8(data, mistakes)
    text = text.removeprefix(UTF_8_MARK)
    if found := FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        what = f"the character U+{ord(found[0]):04X}"
        mistakes.add(line, "", f"{what} is not allowed in a text file; remove it")
        raise mistakes.error()
    return text


def _utf_8(data: bytes, mistakes: Mistakes) -> str:
    if data.startswith(UTF_16_MARKS):
        mistakes.add(1, "", "this is UTF-16; save the file as UTF-8")
        raise mistakes.error()
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        what = f"the byte 0x{data[problem.start]:02x} is not UTF-8"
        mistakes.add(line, "", f"{what}; save the file as UTF-8 text")
        raise mistakes.error() from None
