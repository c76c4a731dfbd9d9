"""Where a redirect may lead. Pure: the address is judged when it is dialled, as always."""

from __future__ import annotations

from msgspec.structs import replace
from yarl import URL

from tinyforge.outbound.messages import Request, Response, url_of

SEE_OTHER = 303
STATUSES = frozenset({301, 302, SEE_OTHER, 307, 308})
POST_BECOMES_GET = frozenset({301, 302})


def redirected(request: Request, answer: Response) -> Request | None:
    """Return what a redirect asks for; None: it is none, or must not be followed.

    Another origin gets no login, no header and no body; what was encrypted stays encrypted.
    """
    where = answer.headers.get("location")
    if answer.status not in STATUSES or not where:
        return None
    here = url_of(request.url)
    there = _joined(here, where)
    if there is None or there.scheme not in {"https", here.scheme}:
        return None
    further = _as_get(request) if _becomes_get(request, answer) else request
    if there.origin() == here.origin():
        login = there.with_user(here.user).with_password(here.password)
        return replace(further, url=str(login))
    if further.body is not None:
        return None
    return replace(further, url=str(there.with_user(None)), headers={})


def _joined(here: URL, where: str) -> URL | None:
    try:
        there = here.join(URL(where)).with_fragment(None)
        _ = there.port  # which may be out of range
    except ValueError:
        return None
    return there if there.host else None


def _becomes_get(request: Request, answer: Response) -> bool:
    if answer.status == SEE_OTHER:
        return request.method not in {"GET", "HEAD"}
    return answer.status in POST_BECOMES_GET and request.method == "POST"


def _as_get(request: Request) -> Request:
    kept = {name: text for name, text in request.headers.items() if name.lower() != "content-type"}
    return replace(request, method="GET", body=None, headers=kept)
