"""The whole description, made once for an app."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from litestar import Litestar

from tinyforge import __version__
from tinyforge.web.openapi.outside import PATHS
from tinyforge.web.openapi.paths import handlers, operation, types
from tinyforge.web.openapi.schemas import Schemas

Json = dict[str, object]

ABOUT = """\
Ids are text, moments RFC 3339, and fields that end in `_us` are microseconds. Lists come in pages:
`next` of one is `before` of the following one, or `after` where a list is by name. An error is a
problem (RFC 9457), and its `fix` says what to do."""
TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "made by `tinyforge token create`; the Unix socket needs none",
}


@lru_cache(maxsize=1)
def described(app: Litestar) -> bytes:
    """Return the description as JSON."""
    schemas = Schemas(types(app))
    paths: dict[str, Json] = {}
    for path, method, handler in handlers(app):
        paths.setdefault(path, {})[method] = operation(path, method, handler, schemas)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Tinyforge", "version": __version__, "description": ABOUT},
            "servers": [{"url": "/"}],
            "security": [{"token": []}],
            "paths": {**paths, **PATHS},
            "components": {"schemas": schemas.components, "securitySchemes": {"token": TOKEN}},
        }
    )
