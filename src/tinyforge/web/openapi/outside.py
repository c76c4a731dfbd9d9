"""What is answered beside the API: deliveries, and whether the server is well."""

from __future__ import annotations

from tinyforge.web.openapi.statuses import SAID, refusal

Json = dict[str, object]

TEXT: Json = {"application/json": {"schema": {"type": "object"}}}
ENDPOINT: Json = {
    "name": "endpoint",
    "in": "path",
    "required": True,
    "description": "the endpoint of a trigger; `tinyforge trigger url NAME` shows it",
    "schema": {"type": "string", "minLength": 22, "maxLength": 64},
}


def _answer(why: str) -> Json:
    return {"description": why, "content": TEXT}


def _probe(name: str, summary: str, *, may_fail: bool) -> Json:
    responses = {"200": _answer("yes"), **({"503": _answer("no")} if may_fail else {})}
    return {
        "get": {
            "operationId": name,
            "tags": ["outside"],
            "summary": summary,
            "security": [],
            "responses": responses,
        }
    }


DELIVERY: Json = {
    "post": {
        "operationId": "deliver",
        "tags": ["outside"],
        "summary": "Take a webhook's delivery",
        "description": "Each endpoint proves its sender by its own secret, and takes no token.",
        "security": [],
        "parameters": [ENDPOINT],
        "requestBody": {
            "required": True,
            "content": {"*/*": {"schema": {}}},
        },
        "responses": {
            "200": _answer("it was taken, and deploys nothing; or it came before"),
            "202": _answer("it was stored, and a binding matched"),
            "400": refusal(400, "the body is not what this provider sends"),
            "401": refusal(401, "its sender is not proved"),
            "404": refusal(404, "no trigger has this endpoint"),
            "408": refusal(408, "the body did not come in time"),
            "413": refusal(413, "the body is larger than the trigger takes"),
            "415": refusal(415, "the body is of a type that this provider does not send"),
            "429": refusal(429, "too many deliveries came to this endpoint"),
            "503": refusal(503, "it cannot be stored just now; send it again"),
        },
    }
}
PATHS: Json = {
    "/hooks/{endpoint}": DELIVERY,
    "/healthz": _probe("alive", "Say that the server answers", may_fail=False),
    "/readyz": _probe("ready", "Say whether windows can be recorded", may_fail=True),
    "/metrics": {
        "get": {
            "operationId": "metrics",
            "tags": ["outside"],
            "summary": "Return metrics for Prometheus",
            "responses": {
                "200": {
                    "description": "the metrics",
                    "content": {"text/plain": {"schema": {"type": "string"}}},
                },
                "401": refusal(401, SAID[401]),
                "403": refusal(403, SAID[403]),
                "503": refusal(503, SAID[503]),
            },
        }
    },
}
