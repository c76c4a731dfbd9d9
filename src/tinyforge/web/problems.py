"""Errors as `application/problem+json` (RFC 9457), and the one table of their statuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType

import msgspec
from litestar.exceptions import HTTPException, ValidationException

from tinyforge.errors import (
    Conflict,
    Crowded,
    DataInUse,
    Forbidden,
    InvalidConfig,
    InvalidManifest,
    NotFound,
    Outdated,
    Refused,
    Reused,
    StoreUnavailable,
    TinyforgeError,
    Unconditional,
    UnknownKind,
    Unproved,
)
from tinyforge.operations.refusals import fix_of
from tinyforge.operations.views import Problem

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[type[TinyforgeError], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Unproved: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    Outdated: HTTPStatus.PRECONDITION_FAILED,
    Unconditional: HTTPStatus.PRECONDITION_REQUIRED,
    Reused: HTTPStatus.UNPROCESSABLE_ENTITY,
    Crowded: HTTPStatus.TOO_MANY_REQUESTS,
    Refused: HTTPStatus.CONFLICT,
    DataInUse: HTTPStatus.CONFLICT,
    InvalidConfig: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidManifest: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnknownKind: HTTPStatus.UNPROCESSABLE_ENTITY,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem(
    status: HTTPStatus, detail: str, fix: str = "", mistakes: Sequence[str] = ()
) -> Problem:
    return Problem(
        title=status.phrase, status=status.value, detail=detail, fix=fix, mistakes=mistakes
    )


def of_error(error: TinyforgeError) -> Problem:
    status = next(
        (STATUS[cls] for cls in type(error).__mro__ if cls in STATUS),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    detail = error.problem if isinstance(error, Refused) else str(error)
    mistakes = error.mistakes if isinstance(error, InvalidManifest) else ()
    if mistakes:
        detail = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}; nothing is changed"
    return problem(status, detail, fix_of(error), mistakes)


def of_http(
    error: HTTPException, method: str, path: str, names: Mapping[str, str] = MappingProxyType({})
) -> Problem:
    """Return what the router found wrong with a request, in the *names* that callers use."""
    status = HTTPStatus(error.status_code)
    if isinstance(error, ValidationException):
        mistakes = _fields(error, names)
        return problem(status, "; ".join(mistakes) or error.detail, "", mistakes)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return problem(status, f"there is no {method} {path}", "GET /api/v1/health")
    return problem(status, error.detail)


def _fields(error: ValidationException, names: Mapping[str, str]) -> list[str]:
    extra = error.extra if isinstance(error.extra, list) else []
    found = [(one.get("key"), one.get("message")) for one in extra if isinstance(one, dict)]
    return [f"{names.get(key, key)}: {said}" if key else str(said) for key, said in found]


def encoded(shown: Problem) -> bytes:
    return msgspec.json.encode(shown)
