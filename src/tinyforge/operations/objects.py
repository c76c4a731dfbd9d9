"""One trigger, workload or binding, written and removed by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tinyforge.errors import InvalidManifest, NotFound, Outdated, Refused, Unconditional
from tinyforge.ids import show
from tinyforge.manifest.pruning import users_of
from tinyforge.model import Binding, Json, Trigger, Workload
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.lists import Lists
from tinyforge.operations.manifests import Manifests, RowChange
from tinyforge.operations.rendering import revision_view
from tinyforge.operations.roles import Reads
from tinyforge.operations.views import BindingDetail, ManifestRequest
from tinyforge.store.port import Catalog, What

API = "api"
WHATEVER = "*"


class Target(Struct, frozen=True, kw_only=True):
    """Which row, and what the caller goes by. *version*: the one it read; `*`: whatever is there.

    *detach*: take it away from the manifest that it belongs to.
    """

    what: What
    name: str
    version: str | None = None
    detach: bool = False


@dataclass(frozen=True)
class Objects:
    reads: Reads
    lists: Lists
    manifests: Manifests

    async def binding(self, caller: Caller, name: str) -> BindingDetail:
        row = await self.reads.binding_named(name)
        (view,) = await self.lists.views_of([row])
        if not caller.sees_pair(view.trigger, view.workload):
            raise NotFound("binding", name)
        revisions = await self.reads.revisions("binding", row.id)
        return BindingDetail(
            binding=view,
            revisions=[revision_view(one) for one in self.lists.masks.revisions(revisions)],
        )

    async def put(self, caller: Caller, target: Target, body: Json) -> bool:
        """Create the row or change all of it, as a manifest with this entry would; say which.

        Unconditional where it is there and no version is given, Outdated where that is not its
        version, Refused where it belongs to a manifest. InvalidManifest tells all mistakes.
        """
        _must_see(caller, target, body)
        request = _request(target, body)
        found: list[bool] = []
        change = RowChange(
            action=f"put_{target.what}",
            target=target.name,
            check=lambda catalog: found.append(_is_there(catalog, target)),
        )
        try:
            document = replace(await self.manifests.read(request, caller), by_api=True)
            await self.manifests.change_row(document, request, change, caller)
        except InvalidManifest as refused:
            raise _of_row(refused, request) from None
        return not found[-1]

    async def delete(self, caller: Caller, target: Target) -> None:
        """Remove the row; its history stays. Refused where a binding needs it."""
        if target.what == "binding":
            await self.binding(caller, target.name)
        else:
            _must_see(caller, target, {})
        request = _request(target, None)
        document = replace(await self.manifests.read(request, caller), by_api=True)
        change = RowChange(
            action=f"delete_{target.what}",
            target=target.name,
            check=partial(_check_removal, target=target),
            remove=(target.what, target.name),
        )
        await self.manifests.change_row(document, request, change, caller)


def _must_see(caller: Caller, target: Target, body: Json) -> None:
    """Raise NotFound where the row is not for this caller, as if it were not there."""
    if target.what == "trigger":
        caller.must_see_trigger(target.name)
    elif target.what == "workload":
        caller.must_see_workload(target.name)
    elif caller.is_narrowed:
        caller.must_see_trigger(str(body.get("trigger")))
        caller.must_see_workload(str(body.get("workload")))


def _request(target: Target, body: Json | None) -> ManifestRequest:
    """Return the manifest that says the same; JSON is YAML."""
    entry: object = body or {}
    section: dict[str, object]
    if body is None:
        section = {}
    elif target.what == "binding":
        section = {"bindings": [{**body, "name": target.name}]}
    else:
        section = {f"{target.what}s": {target.name: entry}}
    text = msgspec.json.encode({"version": 1, **section}).decode()
    return ManifestRequest(source=f"{target.what} {target.name}", text=text, adopt=True)


def _of_row(refused: InvalidManifest, request: ManifestRequest) -> InvalidManifest:
    """Return the mistakes of a row, which was no file and had no lines."""
    place = f"{request.source}:1: "
    return InvalidManifest(tuple(one.removeprefix(place) for one in refused.mistakes), "")


def _named(catalog: Catalog, target: Target) -> Trigger | Workload | Binding | None:
    rows: Mapping[What, Sequence[Trigger | Workload | Binding]] = {
        "trigger": catalog.triggers,
        "workload": catalog.workloads,
        "binding": catalog.bindings,
    }
    return next((row for row in rows[target.what] if row.name == target.name), None)


def _is_there(catalog: Catalog, target: Target) -> bool:
    """Say whether there is such a row; raise where it may not be changed so."""
    row = _named(catalog, target)
    if row is not None:
        _check(row, target)
    elif target.version is not None:
        raise Outdated(f"there is no {target.what} {target.name}", "leave If-Match out")
    return row is not None


def _check(row: Trigger | Workload | Binding, target: Target) -> None:
    if row.managed_by != API and not target.detach:
        owner = row.managed_by.removeprefix("manifest:")
        raise Refused(
            f"the {target.what} {row.name} belongs to the manifest {owner!r}",
            "change it in that file, or ask with detach=true: then the API owns it",
        )
    version = show("rev", row.revision_id or 0)
    if target.version is None:
        raise Unconditional(
            f"the {target.what} {row.name} is there already",
            f'send If-Match: "{version}", or * to overwrite whatever is there',
        )
    if target.version not in (WHATEVER, version):
        raise Outdated(
            f"the {target.what} {row.name} is at {version}, not at {target.version}",
            "read it again, and send its ETag as If-Match",
        )


def _check_removal(catalog: Catalog, target: Target) -> None:
    row = _named(catalog, target)
    if row is None:
        raise NotFound(target.what, target.name)
    _check(row, target)
    users = users_of(target.what, target.name, catalog)
    if users:
        names = ", ".join(sorted(binding.name for binding in users)[:10])
        raise Refused(
            f"bindings use the {target.what} {target.name}: {names}",
            f"remove them first; {command(target.what, 'show', target.name)} shows them",
        )
