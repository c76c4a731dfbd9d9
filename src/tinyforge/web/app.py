"""The ASGI app: routes behind the gate, and what errors look like from outside."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from traceback import format_exception
from typing import TypeAlias, cast

import msgspec
from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.params import ParameterKwarg, QueryParameter
from litestar.routes import HTTPRoute
from litestar.types import Message, Scope

from tinyforge.errors import NotFound, TinyforgeError
from tinyforge.observe.events import Observe, RequestFailed
from tinyforge.operations.callers import Caller
from tinyforge.operations.door import Operations
from tinyforge.operations.views import Problem
from tinyforge.web.access import Knows, LocalOnly, must_be_allowed, refuse_undeclared
from tinyforge.web.gate import Gate, Probes
from tinyforge.web.problems import MEDIA_TYPE, of_error, of_http, problem
from tinyforge.web.routes import API

Asked: TypeAlias = Request[object, object, State]
SOON: Mapping[str, str] = {"Retry-After": "1"}  # seconds
Connection: TypeAlias = ASGIConnection[BaseRouteHandler, object, object, State]


def create_app(
    operations: Operations, probes: Probes, observe: Observe, knows: Knows | None = None
) -> Gate:
    """Return the app for both ways in; without *knows* only the Unix socket leads to it.

    Refused where a route does not say who may call it.
    """
    litestar = Litestar(
        [API],
        dependencies={
            "doors": Provide(lambda: operations, sync_to_thread=False),
            "caller": Provide(_caller, sync_to_thread=False),
        },
        guards=[must_be_allowed, _refuse_unknown_query, _refuse_loose_body],
        before_send=[_say_methods],
        exception_handlers={
            TinyforgeError: _known,
            HTTPException: _of_router,
            Exception: partial(_bug, observe),
        },
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,  # the gate has its limits
    )
    refuse_undeclared(litestar)
    return Gate(litestar, probes, knows or LocalOnly(), operations.sightings)


def _caller(request: Asked) -> Caller:
    return cast("Caller", request.scope["state"]["caller"])


def _refuse_unknown_query(connection: Connection, handler: BaseRouteHandler) -> None:
    """Refuse a query key that nothing reads: it is a typing mistake, and must not be ignored."""
    given = [key for key, _ in connection.query_params.multi_items()]
    known = _query_keys(handler)
    mistakes = [
        {"key": key, "message": f"unknown; known: {', '.join(sorted(known)) or 'none'}"}
        for key in given
        if key not in known
    ]
    mistakes += [{"key": key, "message": "given twice"} for key in known if given.count(key) > 1]
    if mistakes:
        raise ValidationException(extra=mistakes)


async def _refuse_loose_body(connection: Connection, handler: BaseRouteHandler) -> None:
    """Refuse a body whose types are only nearly right, such as 0 for false."""
    data = handler.parsed_fn_signature.parameters.get("data")
    if data is None or not isinstance(connection, Request):
        return
    try:
        msgspec.json.decode(await connection.body(), type=data.annotation)
    except msgspec.MsgspecError as problem:
        message, _, place = str(problem).partition(" - at `$.")
        raise ValidationException(
            extra=[{"key": place.rstrip("`"), "message": message}]
        ) from problem


async def _say_methods(message: Message, scope: Scope) -> None:
    """Have OPTIONS name all methods of a path; Litestar forgets those that came later."""
    is_start = message["type"] == "http.response.start"
    if is_start and scope.get("method") == "OPTIONS":
        routes = [one for one in scope["litestar_app"].routes if isinstance(one, HTTPRoute)]
        here = [one for one in routes if one.path_format == scope.get("path_template")]
        methods = sorted({str(method) for one in here for method in one.methods})
        MutableScopeHeaders.from_message(message)["allow"] = ", ".join(methods)


def _query_keys(handler: BaseRouteHandler) -> set[str]:
    declared = {
        name: field.kwarg_definition
        for name, field in handler.parsed_fn_signature.parameters.items()
    }
    return {
        kwarg.name or name for name, kwarg in declared.items() if isinstance(kwarg, QueryParameter)
    }


def _known(request: Asked, error: TinyforgeError) -> Response[Problem]:
    if isinstance(error, NotFound) and _caller(request).is_narrowed:
        error = NotFound(error.what, error.key)  # what it may have meant is not for its eyes
    shown = of_error(error)
    return _response(shown, SOON if shown.status == HTTPStatus.SERVICE_UNAVAILABLE else None)


def _of_router(request: Asked, error: HTTPException) -> Response[Problem]:
    shown = of_http(error, request.method, request.scope["path"], _outer_names(request))
    return _response(shown, error.headers)


def _outer_names(request: Asked) -> Mapping[str, str]:
    """Return what callers call the parameters of a handler that are called otherwise inside."""
    handler = request.scope.get("route_handler")
    if not isinstance(handler, BaseRouteHandler):
        return {}
    fields = handler.parsed_fn_signature.parameters.items()
    given = ((name, field.kwarg_definition) for name, field in fields)
    return {
        name: kwarg.name
        for name, kwarg in given
        if isinstance(kwarg, ParameterKwarg) and kwarg.name is not None
    }


def _bug(observe: Observe, request: Asked, error: Exception) -> Response[Problem]:
    stack = "".join(format_exception(error))
    observe(RequestFailed(method=request.method, path=request.scope["path"], stack=stack))
    detail = "this is a bug; the server's log has more about it"
    return _response(problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, "tinyforge doctor"))


def _response(shown: Problem, headers: Mapping[str, str] | None = None) -> Response[Problem]:
    return Response(
        shown, status_code=shown.status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )
