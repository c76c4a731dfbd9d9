"""What is sent to the outside, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from yarl import URL

from tinyforge.errors import OutboundFailed


class Request(Struct, frozen=True, kw_only=True):
    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    timeout: float | None = (
        60.0  # seconds for all of it; None: whoever waits has a limit of its own
    )
    redirects: int = 0  # how many are followed; where one must not be, it is the answer


class Response(Struct, frozen=True, kw_only=True):
    status: int
    reason: str
    headers: Mapping[str, str]  # lower-case names
    body: bytes  # at most 1 MiB of it


def url_of(text: str) -> URL:
    """Parse; what it says goes into no error, for it may hold a secret."""
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        raise OutboundFailed("has no valid URL", permanent=True) from None
    if url.scheme not in {"http", "https"} or not url.host or port is None:
        raise OutboundFailed("needs a URL such as https://host/path", permanent=True)
    return url
