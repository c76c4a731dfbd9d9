"""The database -> a manifest that plans as no change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from tinyforge.manifest.entries import DEFAULT_NAME, VERSION
from tinyforge.manifest.mistakes import quoted, quoted_name
from tinyforge.manifest.pruning import is_made_by_deploy
from tinyforge.manifest.scalars import block, scalar
from tinyforge.manifest.side import R, Row
from tinyforge.model import Binding, Json, Trigger, TriggerId
from tinyforge.store.definition import binding_form, sparse, trigger_form, workload_form
from tinyforge.store.port import Catalog

NOTHING: Mapping[TriggerId, str] = {}
LEFT_OUT = "its endpoint is a secret and left out; --endpoints writes it"
LONGEST_SIMPLE_KEY = 1_000  # characters; YAML ends at 1,024
INDENT = "  "


def export(
    catalog: Catalog, owner: str | None = None, opened: Mapping[TriggerId, str] = NOTHING
) -> str:
    """Return the rows of *owner*, or of all, by name, so that two exports can be compared.

    What is broken is left out and named in a comment. What `tinyforge deploy` made is left out.
    So is an endpoint that is a secret, unless it is among those that are *opened*.
    """
    told = {row.trigger_id: row.written or row.path for row in catalog.endpoints}
    endpoints = {**told, **opened}
    triggers: dict[int, str] = {row.id: row.name for row in catalog.triggers}
    workloads: dict[int, str] = {row.id: row.name for row in catalog.workloads}
    by_deploy = {row.id for row in catalog.triggers if is_made_by_deploy(row)}
    sections = (
        _rows("workloads", _of(owner, catalog.workloads), workload_form),
        _rows(
            "triggers",
            _of(owner, (row for row in catalog.triggers if row.id not in by_deploy)),
            partial(_with_endpoint, endpoints=endpoints),
        ),
        _secret_endpoints(_of(owner, catalog.triggers), endpoints),
        _bindings(
            _of(owner, (row for row in catalog.bindings if row.trigger_id not in by_deploy)),
            partial(binding_form, triggers=triggers, workloads=workloads),
        ),
    )
    return "\n".join((*_head(owner), *chain.from_iterable(sections))) + "\n"


def _with_endpoint(row: Trigger, endpoints: Mapping[TriggerId, str | None]) -> Json:
    endpoint = endpoints.get(row.id)
    return {**trigger_form(row), **({} if endpoint is None else {"endpoint": endpoint})}


def _secret_endpoints(
    rows: Iterable[Trigger], endpoints: Mapping[TriggerId, str | None]
) -> Iterator[str]:
    for row in rows:
        if endpoints.get(row.id, "") is None and not row.broken:
            yield f"# triggers.{quoted_name(row.name)}: {LEFT_OUT}"


def _of(owner: str | None, rows: Iterable[R]) -> list[R]:
    mine = (row for row in rows if owner in {None, row.managed_by})
    return sorted(mine, key=lambda row: row.name)


def _head(owner: str | None) -> Iterator[str]:
    name = owner.removeprefix("manifest:") if owner and owner.startswith("manifest:") else None
    yield f"# All that {quoted_name(owner) if owner else 'this server'} has, by `tinyforge export`."
    if name:
        yield "# `tinyforge plan` finds nothing to change in it."
    else:
        yield "# `tinyforge apply --adopt` makes this file the owner of all that stands in it."
    yield f"version: {VERSION}"
    if name and name != DEFAULT_NAME:
        yield f"name: {scalar(name)}"


def _rows(section: str, rows: Sequence[R], form: Callable[[R], Json]) -> Iterator[str]:
    whole = {row.name: sparse(form(row)) for row in rows if not row.broken}
    yield from _left_out(section, rows)
    if whole:
        yield ""
        yield from _mapping({section: whole}, "")


def _bindings(rows: Sequence[Binding], form: Callable[[Binding], Json]) -> Iterator[str]:
    whole = [sparse(form(row)) for row in rows if not row.broken]
    yield from _left_out("bindings", rows)
    if whole:
        yield ""
        yield from _mapping({"bindings": whole}, "")


def _left_out(section: str, rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        if row.broken:
            name, why = quoted_name(row.name), quoted(row.broken)
            yield f"# {section}.{name} is broken and left out: {why}"


def _mapping(value: Mapping[str, object], pad: str) -> Iterator[str]:
    for key, item in value.items():
        name = scalar(key)
        if len(name) > LONGEST_SIMPLE_KEY:
            yield f"{pad}? {name}"
            yield from _item(f"{pad}:", item, pad + INDENT)
        else:
            yield from _item(f"{pad}{name}:", item, pad + INDENT)


def _list(value: Iterable[object], pad: str) -> Iterator[str]:
    for item in value:
        lines = list(_below(item, pad + INDENT))
        if lines:  # its first line stands behind the dash
            yield f"{pad}- {lines[0].removeprefix(pad + INDENT)}"
            yield from lines[1:]
        else:
            yield from _item(f"{pad}-", item, pad + INDENT)


def _item(head: str, value: object, pad: str) -> Iterator[str]:
    """Yield *value* behind *head*, or below it where it has lines of its own."""
    if lines := list(_below(value, pad)):
        yield head
        yield from lines
    elif isinstance(value, str) and (text := block(value, pad)):
        yield f"{head} {text[0]}"
        yield from text[1:]
    else:
        yield f"{head} {_short(value)}"


def _below(value: object, pad: str) -> Iterator[str]:
    """Yield the lines of a mapping or a list; an empty one has none."""
    if isinstance(value, Mapping):
        yield from _mapping(value, pad)
    elif isinstance(value, list):
        yield from _list(value, pad)


def _short(value: object) -> str:
    if isinstance(value, str):
        return scalar(value)
    return json.dumps(value)  # true, null, 7, [] and {} are the same in YAML
