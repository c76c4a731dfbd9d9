"""Types as JSON Schema; an object that refuses unknown fields says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tinyforge.operations.views import Problem
from tinyforge.web.openapi.examples import EXAMPLES

Json = dict[str, object]

REF = "#/components/schemas/{name}"
DURATION: Json = {"type": "string", "examples": ["90s", "5m"]}
NAME: Json = {"type": "string", "pattern": r"^[a-z0-9][a-z0-9._-]{0,62}$"}
# What a manifest has below a row's name. The other keys are those of the kind.
ENTRIES: Mapping[str, Json] = {
    "Trigger": {
        "type": "object",
        "title": "Trigger",
        "description": "A trigger as a manifest has it; its other keys are those of its kind.",
        "properties": {"kind": {"type": "string"}, "enabled": {"type": "boolean"}},
        "required": ["kind"],
        "examples": [{"kind": "schedule", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}],
    },
    "Workload": {
        "type": "object",
        "title": "Workload",
        "description": "A workload as a manifest has it; its other keys are those of its kind.",
        "properties": {
            "kind": {"type": "string"},
            "queue": {"enum": ["latest", "every", "skip"]},
            "timeout": DURATION,
            "retry": {
                "type": "object",
                "properties": {
                    "attempts": {"type": "integer", "minimum": 1, "maximum": 20},
                    "backoff": DURATION,
                },
                "additionalProperties": False,
            },
            "idempotent": {"type": "boolean"},
            "on": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        },
        "required": ["kind"],
        "examples": [{"kind": "command", "command": ["./deploy.sh", "site"], "timeout": "5m"}],
    },
    "Binding": {
        "type": "object",
        "title": "Binding",
        "description": "A binding as a manifest has it, without its name.",
        "properties": {
            "trigger": NAME,
            "workload": NAME,
            "enabled": {"type": "boolean"},
            "match": {"type": "object", "description": "see the reference of match rules"},
            "when": {"type": "string", "maxLength": 2000},
        },
        "required": ["trigger", "workload"],
        "additionalProperties": False,
        "examples": [{"trigger": "push", "workload": "site", "match": {"branch": "main"}}],
    },
}


class Schemas:
    """The schemas of some types, each under its name."""

    def __init__(self, types: Iterable[object]) -> None:
        wanted = list({str(one): one for one in (*types, Problem)}.values())
        found, components = msgspec.json.schema_components(
            wanted, schema_hook=_hook, ref_template=REF
        )
        self._found = {str(one): schema for one, schema in zip(wanted, found, strict=True)}
        self.components: Json = {**components, **ENTRIES}
        for one, shown in EXAMPLES.items():
            component = self.components.get(one.__name__)
            if isinstance(component, dict):
                component["examples"] = [msgspec.to_builtins(shown)]

    def of(self, one: object) -> Json:
        return dict(self._found[str(one)])


def _hook(one: type) -> Json:
    if one is object:
        return {"description": "anything that JSON can hold"}
    raise NotImplementedError(one)
