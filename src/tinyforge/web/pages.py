"""The page that shows the API. It is the same for everybody; what it shows needs a token."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import NamedTuple, cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

PAGE = "/api/v1/docs"
FRESH_FOR = 3_600  # seconds
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class File(NamedTuple):
    folder: str
    name: str
    media_type: str


FILES = {
    PAGE: File("docs", "page.html", "text/html; charset=utf-8"),
    f"{PAGE}/page.css": File("docs", "page.css", "text/css; charset=utf-8"),
    f"{PAGE}/page.js": File("docs", "page.js", "text/javascript; charset=utf-8"),
    f"{PAGE}/swagger-ui.css": File("vendored/swagger-ui", "swagger-ui.css", "text/css"),
    f"{PAGE}/swagger-ui-bundle.js": File(
        "vendored/swagger-ui", "swagger-ui-bundle.js", "text/javascript; charset=utf-8"
    ),
}


@dataclass(frozen=True)
class Pages:
    """Answers for the page's files; all else goes on to the app behind it."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = cast("HTTPScope", scope)
        file = FILES.get(asked["path"])
        if file is None or asked["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        body = _read(file)
        await send(
            {
                "type": "http.response.start",
                "status": HTTPStatus.OK,
                "headers": [*_headers(file), (b"content-length", str(len(body)).encode())],
            }
        )
        shown = b"" if asked["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": shown, "more_body": False})


def _headers(file: File) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", file.media_type.encode()),
        (b"cache-control", f"max-age={FRESH_FOR}".encode()),
        (b"content-security-policy", POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]


@cache
def _read(file: File) -> bytes:
    return files("tinyforge.web").joinpath(file.folder, file.name).read_bytes()
