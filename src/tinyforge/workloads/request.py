"""The parts of a request: config, references and facts made into what is sent."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from tinyforge.errors import DeployFailed
from tinyforge.model import Json
from tinyforge.references import Secrets
from tinyforge.workloads.facts import CONTROL, FromEvent, as_text


def headers_of(
    headers: Mapping[str, str | FromEvent], facts: Json, secrets: Secrets
) -> dict[str, str]:
    """Return what is sent; a header whose fact is absent is left out."""
    texts = {name: _header(name, value, facts, secrets) for name, value in headers.items()}
    return {name: text for name, text in texts.items() if text is not None}


def _header(name: str, value: str | FromEvent, facts: Json, secrets: Secrets) -> str | None:
    if isinstance(value, FromEvent):
        try:
            return as_text(value.of(facts))
        except ValueError as problem:
            raise DeployFailed(f"header {name}: the fact {problem}", retryable=False) from None
    text = secrets.resolve(value)
    if CONTROL.search(text):
        found = "its value holds line breaks or other control characters"
        raise DeployFailed(f"header {name}: {found}", retryable=False)
    return text


def body_of(body: object, facts: Json, secrets: Secrets) -> tuple[str | None, bytes | None]:
    """Return the content type and the bytes."""
    if body is None:
        return None, None
    if isinstance(body, str):
        return "text/plain; charset=utf-8", secrets.resolve(body).encode()
    try:
        return "application/json", msgspec.json.encode(_filled(body, facts, secrets))
    except (ValueError, RecursionError):
        raise DeployFailed("body: a fact in it is not valid JSON", retryable=False) from None


def _filled(value: object, facts: Json, secrets: Secrets) -> object:
    if isinstance(value, str):
        return secrets.resolve(value)
    if isinstance(value, list | tuple):
        return [_filled(item, facts, secrets) for item in value]
    if not isinstance(value, Mapping):
        return value
    pointer = pointer_of(value)
    if pointer is not None:
        return FromEvent(event=pointer).of(facts)
    return {key: _filled(item, facts, secrets) for key, item in value.items()}


def pointer_of(value: Mapping[object, object]) -> str | None:
    """Return the pointer of `{event: /branch}`; any other mapping is sent as it is."""
    pointer = value.get("event") if len(value) == 1 else None
    return pointer if isinstance(pointer, str) and pointer[:1] in {"", "/"} else None


def hide_login(url: str, secrets: Secrets) -> None:
    """Keep the login of *url* out of the log, also as the header that it becomes."""
    login = unquote(_login(url))
    if login:
        for part in (login, login.partition(":")[2], base64.b64encode(login.encode()).decode()):
            secrets.hide(part)


def _login(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[0]
    except ValueError:  # no URL at all: whoever sends it says so
        return ""
