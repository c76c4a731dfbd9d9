"""`${env:NAME}` and `${file:/path}`: kept as written, given a value where one is used.

`${sealed:sec_…}` stands where a secret was typed; it is opened with the server's key.
`$${env:NAME}` stands for the text `${env:NAME}` itself.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import quote

from msgspec import Struct

from tinyforge.errors import SealFailed, Unresolved
from tinyforge.kinds import RunLog
from tinyforge.model import Json

REFERENCE = re.compile(r"(\$?)\$\{(env|file|sealed):([^{}]*)\}")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LARGEST_FILE = 64 * 1024
SHORTEST_HIDDEN = 4  # characters; hiding a shorter one would tear holes into every log
HIDDEN = "***"
Opens: TypeAlias = Callable[[str], str | None]
UNKNOWN_SEAL = "is not among this server's sealed secrets; write the secret again, or a reference"
# Like the environment, what can be opened belongs to the process: a kind has only its config.
_openers: list[Opens] = []


@contextmanager
def opened_by(opens: Opens) -> Iterator[None]:
    """Have *opens* give the values of `${sealed:…}` by their names; None: it is not one of its."""
    _openers.append(opens)
    try:
        yield
    finally:
        _openers.remove(opens)


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
    return REFERENCE.sub(_revealed, text)


def resolve_address(text: str) -> str:
    """Resolve the references in a URL; what stands for a part of it is quoted. Raise Unresolved."""
    if REFERENCE.fullmatch(text):
        return resolve(text)
    return REFERENCE.sub(_quoted, text)


def _revealed(found: re.Match[str]) -> str:
    return found[0][1:] if found[1] else _value(found).reveal()


def _quoted(found: re.Match[str]) -> str:
    return found[0][1:] if found[1] else quote(_value(found).reveal(), safe="")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Hide every one of *secrets*, also as base64, in a URL or in JSON, and line by line."""
    return _without(_longest_first({form for secret in secrets for form in _forms(secret)}), text)


def has_references(text: str) -> bool:
    return REFERENCE.search(text) is not None


def is_literal(text: str) -> bool:
    """Say whether *text* stands for itself: what looks like a reference in it is escaped."""
    return all(found[1] for found in REFERENCE.finditer(text))


def spelt_out(text: str) -> str:
    """Return what a literal stands for."""
    return REFERENCE.sub(lambda found: found[0][1:], text)


def sealed_as(name: str) -> str:
    return f"${{sealed:{name}}}"


def sealed_name(text: str) -> str | None:
    """Return the name of the sealed secret that *text* is, and nothing else; None: it is not."""
    found = REFERENCE.fullmatch(text)
    return found[3] if found and not found[1] and found[2] == "sealed" else None


def names_sealed(text: str) -> bool:
    """Say whether a sealed secret stands anywhere in *text*."""
    return any(not found[1] and found[2] == "sealed" for found in REFERENCE.finditer(text))


def masked(text: str) -> str:
    """Return a secret as it may be shown: its references as written, all else hidden."""
    parts, end = [], 0
    for found in REFERENCE.finditer(text):
        if not found[1]:
            parts += [HIDDEN if found.start() > end else "", found[0]]
            end = found.end()
    return "".join(parts) + (HIDDEN if len(text) > end else "")


def references(config: object) -> Iterator[tuple[str, str, str]]:
    """Yield each reference in *config*: a JSON pointer to it, `env`, `file` or `sealed`, a name."""
    for pointer, text in _texts("", config):
        for found in REFERENCE.finditer(text):
            if not found[1]:
                yield pointer, found[2], found[3]


def reads_files(config: object) -> bool:
    """Say whether resolving *config* touches a disk, which is not for an event loop."""
    found = (REFERENCE.finditer(text) for _, text in _texts("", config))
    return any(match[2] == "file" for matches in found for match in matches)


class Allowance(Struct, frozen=True, kw_only=True):
    """What a manifest may name that comes from afar: variables, and files below one folder."""

    names: frozenset[str] = frozenset()
    folder: Path | None = None

    def refuses(self, source: str, name: str) -> str | None:
        """Say why a reference may not be named, and nothing of what is there; None: it may."""
        if source == "env" and name not in self.names:
            return "what comes over HTTP may name only variables that TINYFORGE_SECRET_NAMES lists"
        if source == "file" and not (self.folder and _lies_below(self.folder, name)):
            return "what comes over HTTP may name only files below TINYFORGE_SECRET_DIR"
        return None


def refused(config: object, allowance: Allowance) -> list[tuple[str, str]]:
    """Return a JSON pointer and why of each reference in *config* that may not be named."""
    return [
        (pointer, f"${{{source}:{name}}}: {problem}")
        for pointer, source, name in references(config)
        if (problem := allowance.refuses(source, name))
    ]


def unresolved(config: Json, *, sealed: bool = True) -> list[tuple[str, str]]:
    """Return a JSON pointer and the problem of each reference in *config* that has no value.

    Without *sealed* those to sealed secrets are left out.
    """
    return [
        (pointer, str(problem))
        for pointer, text in _texts("", config)
        if "${" in text
        for found in REFERENCE.finditer(text)
        if not found[1] and (sealed or found[2] != "sealed") and (problem := _problem(found))
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


def _lies_below(folder: Path, name: str) -> bool:
    """Follow every link, then walk down from *folder* without following any."""
    if "\0" in name or not name.startswith("/"):
        return False
    root, path = Path(os.path.realpath(folder)), Path(os.path.realpath(name))
    if root not in path.parents:
        return False
    try:
        handle = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in path.relative_to(root).parts:
            inner = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            os.close(handle)
            handle = inner
        is_link = stat.S_ISLNK(os.fstat(handle).st_mode)
        os.close(handle)
    except OSError:
        return False
    return not is_link


def _value(found: re.Match[str]) -> Secret:
    _, source, name = found.groups()
    try:
        value = _GIVEN[source](name)
    except (ValueError, SealFailed) as problem:
        raise Unresolved(found[0], str(problem)) from None
    except OSError as problem:
        raise Unresolved(found[0], f"cannot be read: {problem.strerror}") from None
    if not value:
        raise Unresolved(found[0], "is empty")
    if "\0" in value:
        raise Unresolved(found[0], "holds a NUL character")
    return Secret(value)


def _opened(name: str) -> str:
    for opens in _openers:
        value = opens(name)
        if value is not None:
            return value
    raise ValueError(UNKNOWN_SEAL)


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


_GIVEN: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"env": _variable, "file": _file, "sealed": _opened}
)


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
