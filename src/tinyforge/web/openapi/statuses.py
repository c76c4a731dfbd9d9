"""Which answers an operation may give beside the one that was hoped for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from tinyforge.web.problems import MEDIA_TYPE

Json = dict[str, object]

SAID: Mapping[int, str] = {
    400: "something of it cannot be read; `mistakes` says what",
    401: "no token, or one that is wrong, over or revoked",
    403: "the token may not do this",
    404: "there is no such thing, or none that the token may see",
    408: "the body did not come in time",
    409: "it cannot be done as things are; `fix` says what to do instead",
    412: "`If-Match` names another version than the one that is there",
    413: "the body is too large",
    415: "the body is not JSON, or does not say so",
    422: "it was read, and is wrong; `mistakes` has all of it",
    428: "the row is there already, and `If-Match` is missing",
    429: "there are as many of these as there may be",
    503: "nothing can be recorded or read just now, or the server stops; ask again",
}
ALWAYS = (400, 401, 403, 503)
OF_NAMES = (404,)
OF_BODIES = (408, 413, 415, 422)
OF_CHANGES = (409,)
OF_VERSIONS = (412, 428)


def refusals(statuses: Iterable[int]) -> Json:
    """Return responses, each a problem (RFC 9457)."""
    return {str(status): refusal(status, SAID[status]) for status in sorted(set(statuses))}


def refusal(status: int, why: str) -> Json:
    schema = {"$ref": "#/components/schemas/Problem"}
    example = {"title": HTTPStatus(status).phrase, "status": status, "detail": why}
    return {"description": why, "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}
