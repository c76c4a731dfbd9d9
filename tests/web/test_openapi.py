"""The description of the API, read as programs read it."""

from __future__ import annotations

import json
import re
from typing import cast

import pytest

from tests.web.asking import ask
from tinyforge.web.gate import Gate

Json = dict[str, object]
METHODS = ("get", "put", "post", "delete")


@pytest.fixture
async def document(app: Gate) -> dict[str, Json]:
    answer = await ask(app, "GET", "/openapi.json")
    assert answer.status == 200
    read: dict[str, Json] = json.loads(answer.body)
    return read


def operations(document: dict[str, Json]) -> dict[str, Json]:
    paths = cast("dict[str, dict[str, Json]]", document["paths"])
    return {f"{m} {path}": item[m] for path, item in paths.items() for m in METHODS if m in item}


async def test_every_operation_says_what_it_does_under_a_name_of_its_own(
    document: dict[str, Json],
) -> None:
    found = operations(document)
    assert len(found) > 45
    assert len({str(one["operationId"]) for one in found.values()}) == len(found)
    assert [name for name, one in found.items() if not one["summary"]] == []


async def test_every_refusal_of_the_api_is_a_problem(document: dict[str, Json]) -> None:
    for name, one in operations(document).items():
        for status, answer in cast("dict[str, Json]", one["responses"]).items():
            if status >= "400" and " /api/" in name:
                ((kind, said),) = cast("dict[str, Json]", answer["content"]).items()
                assert kind == "application/problem+json"
                assert cast("Json", said["example"])["status"] == int(status)
        if " /api/" in name:
            assert {"400", "401", "403", "503"} <= set(cast("Json", one["responses"]))


async def test_each_operation_names_the_roles_that_may(document: dict[str, Json]) -> None:
    needs = {
        one["operationId"]: str(one.get("description")) for one in operations(document).values()
    }
    assert needs["triggers"].endswith("`read`: the role viewer or deployer or admin.")
    assert needs["create_token"].endswith("`configure`: the role admin.")


async def test_every_reference_leads_somewhere(document: dict[str, Json]) -> None:
    schemas = cast("Json", document["components"]["schemas"])
    asked = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert asked - set(schemas) == set()
    assert {"Problem", "TriggerView", "Page_RunView_"} <= asked


async def test_what_refuses_unknown_fields_says_so(document: dict[str, Json]) -> None:
    schemas = cast("dict[str, Json]", document["components"]["schemas"])
    for name in ("FireRequest", "DeployRequest", "ManifestRequest", "TokenRequest", "Binding"):
        assert schemas[name]["additionalProperties"] is False
        assert schemas[name].get("examples") or name == "TokenRequest"


async def test_options_names_every_method_of_a_path(app: Gate) -> None:
    answer = await ask(app, "OPTIONS", "/triggers/often")
    assert (answer.status, answer.headers["allow"]) == (204, "DELETE, GET, OPTIONS, PUT")
    other = await ask(app, "PATCH", "/triggers/often")
    assert other.status == 405
    assert set(other.headers["allow"].split(", ")) >= {"DELETE", "GET", "PUT"}


@pytest.mark.parametrize("body", [{"dry_run": 0}, {"dry_run": "true"}, {"dry_run": None}])
async def test_types_of_a_body_are_exact(app: Gate, body: object) -> None:
    answer = await ask(app, "POST", "/triggers/button/fire", body)
    assert (answer.status, b"dry_run: Expected `bool`" in answer.body) == (400, True)
