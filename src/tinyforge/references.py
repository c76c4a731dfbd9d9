"""`${env:NAME}` and `${file:/path}`: kept as written, given a value where one is used.

`$${env:NAME}` stands for the text `${env:NAME}` itself.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from tinyforge.errors import Unresolved
from tinyforge.kinds import RunLog
from tinyforge.model import Json

REFERENCE = re.compile(r"(\$?)\$\{(env|file):([^{}]*)\}")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LARGEST_FILE = 64 * 1024
SHORTEST_HIDDEN = 4  # characters; hiding a shorter one would tear holes into every log
HIDDEN = "***"


class Secret:
    """A value that does not show itself."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not written anywhere")


class Secrets:
    """Resolves references and remembers what they held, to keep it out of logs and errors."""

    def __init__(self) -> None:
        self._forms: list[str] = []

    @property
    def longest(self) -> int:
        """Characters of the longest text that is hidden."""
        return len(self._forms[0]) if self._forms else 0

    def resolve(self, text: str) -> str:
        """Return *text* with every reference replaced; raise Unresolved."""
        return REFERENCE.sub(self._replace, text)

    def redact(self, text: str) -> str:
        return _without(self._forms, text)

    def hide(self, value: str) -> None:
        """Keep one more text out."""
        self._forms = _longest_first({*self._forms, *_forms(value)})

    def guard(self, log: RunLog) -> RunLog:
        """Return *log* such that no value gets into it."""
        return _Guarded(self, log)

    def _replace(self, found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        value = _value(found).reveal()
        self.hide(value)
        return value


class _Guarded:
    def __init__(self, secrets: Secrets, log: RunLog) -> None:
        self._secrets = secrets
        self._log = log

    def write(self, line: str) -> None:
        self._log.write(self._secrets.redact(line))


def resolve(text: str) -> str:
    """Return *text* with every reference replaced by its value; raise Unresolved."""
    return Secrets().resolve(text)


def resolve_address(text: str) -> str:
    """Resolve the references in a URL; what stands for a part of it is quoted. Raise Unresolved."""
    if REFERENCE.fullmatch(text):
        return resolve(text)
    return REFERENCE.sub(_quoted, text)


def _quoted(found: re.Match[str]) -> str:
    return found[0][1:] if found[1] else quote(_value(found).reveal(), safe="")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Hide every one of *secrets*, also as base64, in a URL or in JSON, and line by line."""
    return _without(_longest_first({form for secret in secrets for form in _forms(secret)}), text)


def has_references(text: str) -> bool:
    return REFERENCE.search(text) is not None


def reads_files(config: object) -> bool:
    """Say whether resolving *config* touches a disk, which is not for an event loop."""
    found = (REFERENCE.finditer(text) for _, text in _texts("", config))
    return any(match[2] == "file" for matches in found for match in matches)


def unresolved(config: Json) -> list[tuple[str, str]]:
    """Return a JSON pointer and the problem of each reference in *config* that has no value."""
    return [
        (pointer, str(problem))
        for pointer, text in _texts("", config)
        for found in REFERENCE.finditer(text)
        if not found[1] and (problem := _problem(found))
    ]


def _texts(pointer: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            escaped = str(key).replace("~", "~0").replace("/", "~1")
            yield from _texts(f"{pointer}/{escaped}", item)
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _texts(f"{pointer}/{place}", item)


def _problem(found: re.Match[str]) -> Unresolved | None:
    try:
        _value(found)
    except Unresolved as problem:
        return problem
    return None


def _value(found: re.Match[str]) -> Secret:
    _, source, name = found.groups()
    try:
        value = _variable(name) if source == "env" else _file(name)
    except ValueError as problem:
        raise Unresolved(found[0], str(problem)) from None
    except OSError as problem:
        raise Unresolved(found[0], f"cannot be read: {problem.strerror}") from None
    if not value:
        raise Unresolved(found[0], "is empty")
    if "\0" in value:
        raise Unresolved(found[0], "holds a NUL character")
    return Secret(value)


def _variable(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of an environment variable")
    try:
        return os.environ[name].encode().decode()
    except KeyError:
        raise ValueError("is not set in the server's environment") from None
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8 text") from None


def _file(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("write the whole path, from / on")
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not hold us up
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("is not a regular file")
        content = os.pread(handle, LARGEST_FILE + 1, 0)
    finally:
        os.close(handle)
    if len(content) > LARGEST_FILE:
        raise ValueError(f"is larger than {LARGEST_FILE // 1024} KiB")
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None


def _forms(value: str) -> set[str]:
    """Return the ways in which *value* may turn up in a line of text."""
    lines = {value, *value.splitlines()}
    padded = {
        base64.b64encode(value.encode()).decode(),
        base64.urlsafe_b64encode(value.encode()).decode(),
    }
    encoded = {*padded, *(one.rstrip("=") for one in padded)}
    inside_json = {
        json.dumps(line, ensure_ascii=plain)[1:-1] for line in lines for plain in (True, False)
    }
    in_url = {quote(line, safe=safe) for line in lines for safe in ("", "/")}
    forms = {*lines, *inside_json, *in_url, *encoded}
    return {form for form in forms if len(form) >= SHORTEST_HIDDEN}


def _longest_first(forms: Iterable[str]) -> list[str]:
    return sorted(forms, key=lambda form: (-len(form), form))


def _without(forms: Iterable[str], text: str) -> str:
    for form in forms:
        text = text.replace(form, HIDDEN)
    return text
