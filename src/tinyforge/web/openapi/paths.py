"""Handlers as operations: their parameters, their bodies and all that they may answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_origin

from litestar import Litestar, Response
from litestar.handlers.http_handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg, PathParameter, QueryParameter
from litestar.response import Stream
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from tinyforge.operations.callers import Permission, Role, allows
from tinyforge.web.openapi.schemas import Schemas
from tinyforge.web.openapi.statuses import (
    ALWAYS,
    OF_BODIES,
    OF_CHANGES,
    OF_NAMES,
    OF_VERSIONS,
    refusals,
)

Json = dict[str, object]

FILTERS = frozenset({"trigger", "workload", "event", "before", "after", "name"})
ETAG = {"description": "the version, for `If-Match`", "schema": {"type": "string"}}
PLACES: tuple[tuple[type[ParameterKwarg], str], ...] = (
    (PathParameter, "path"),
    (QueryParameter, "query"),
    (HeaderParameter, "header"),
)


def handlers(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Yield path, method and handler of everything that is not made by itself."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in sorted(set(handler.http_methods) - {"OPTIONS"}):
                    yield route.path_format, method.lower(), handler


def types(app: Litestar) -> Iterator[object]:
    """Yield what goes in and out as JSON."""
    for _, _, handler in handlers(app):
        answer = _answer(handler)
        if answer not in (None, type(None), Stream, bytes):
            yield answer
        if (data := _parameters(handler).get("data")) is not None and "body" not in handler.opt:
            yield data.annotation


def operation(path: str, method: str, handler: HTTPRouteHandler, schemas: Schemas) -> Json:
    head, _, rest = (handler.fn.__doc__ or "").strip().partition("\n")
    permission = Permission(handler.opt["permission"])
    roles = " or ".join(role for role in Role if allows(role, permission))
    needs = f"Needs the permission `{permission}`: the role {roles}."
    shown: Json = {
        "operationId": handler.fn.__name__,
        "tags": [_tag(path, handler)],
        "summary": head.removesuffix(".") or handler.fn.__name__.replace("_", " "),
        "description": "\n".join((*map(str.strip, rest.strip().splitlines()), "", needs)).strip(),
        "parameters": [
            _parameter(field, kwarg, place)
            for field in _parameters(handler).values()
            for kind, place in PLACES
            if isinstance(kwarg := field.kwarg_definition, kind)
        ],
        "responses": {**_answers(method, handler, schemas), **_refusals(path, method, handler)},
    }
    if (data := _parameters(handler).get("data")) is not None:
        shown["requestBody"] = _body(data, handler, schemas)
    return shown


def _tag(path: str, handler: HTTPRouteHandler) -> str:
    """Return the noun: that of the file of routes, or of the path where a file has several."""
    room = handler.fn.__module__.rpartition(".")[2]
    return path.split("/")[3] if room == "objects" else room


def _parameters(handler: HTTPRouteHandler) -> dict[str, FieldDefinition]:
    return handler.parsed_fn_signature.parameters


def _answer(handler: HTTPRouteHandler) -> object:
    annotation: object = handler.parsed_fn_signature.return_type.annotation
    return get_args(annotation)[0] if get_origin(annotation) is Response else annotation


def _parameter(field: FieldDefinition, kwarg: ParameterKwarg, place: str) -> Json:
    shown: Json = {
        "name": kwarg.name or field.name,
        "in": place,
        "required": place == "path",
        "schema": _schema(field, kwarg),
    }
    if kwarg.description:
        shown["description"] = kwarg.description
    return shown


def _schema(field: FieldDefinition, kwarg: ParameterKwarg) -> Json:
    schema: Json = {"type": "integer" if field.annotation is int else "string"}
    for key, value in (
        ("minimum", kwarg.ge),
        ("maximum", kwarg.le),
        ("minLength", kwarg.min_length),
        ("maxLength", kwarg.max_length),
        ("pattern", kwarg.pattern),
        ("format", kwarg.format),
        ("enum", None if kwarg.enum is None else list(kwarg.enum)),
        ("default", field.default if isinstance(field.default, int | str) else None),
    ):
        if value is not None:
            schema[key] = value
    return schema | (kwarg.schema_extra or {})


def _body(data: FieldDefinition, handler: HTTPRouteHandler, schemas: Schemas) -> Json:
    entry = handler.opt.get("body")
    schema = (
        schemas.of(data.annotation) if entry is None else {"$ref": f"#/components/schemas/{entry}"}
    )
    return {"required": entry is not None, "content": {"application/json": {"schema": schema}}}


def _answers(method: str, handler: HTTPRouteHandler, schemas: Schemas) -> Json:
    answer = _answer(handler)
    if answer in (None, type(None)):
        return {"204": {"description": "it is done"}}
    if answer is Stream:
        content: Json = {"text/event-stream": {"schema": {"type": "string"}}}
    elif answer is bytes:
        content = {"application/json": {"schema": {"type": "object"}}}
    else:
        content = {"application/json": {"schema": schemas.of(answer)}}
    shown: Json = {"description": "it is so", "content": content}
    if get_origin(handler.parsed_fn_signature.return_type.annotation) is Response:
        shown["headers"] = {"ETag": ETAG}
    answers: Json = {str(handler.status_code): shown}
    if method == "put":
        answers["201"] = {**shown, "description": "it is created"}
    return answers


def _refusals(path: str, method: str, handler: HTTPRouteHandler) -> Json:
    parameters = _parameters(handler)
    statuses = [*ALWAYS, *handler.opt.get("also", ())]
    if "{" in path or FILTERS & parameters.keys():
        statuses += OF_NAMES
    if method != "get":
        statuses += OF_CHANGES
    if "data" in parameters:
        statuses += OF_BODIES
    if "version" in parameters:
        statuses += (*OF_VERSIONS, 422)
    return refusals(statuses)
