"""What `plan`, `apply` and `export` do: config as code."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from msgspec import json

from tinyforge.cli.failure import CalledWrongly
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import Screen, screen
from tinyforge.operations.answers import ChangeView, ExportView, FieldView, PlanView
from tinyforge.operations.views import ManifestRequest

STANDARD_INPUT = "-"
LARGEST = 16 << 20  # bytes of a manifest
SIGNS = {"create": "+", "update": "~", "delete": "-", "adopt": ">"}
DONE = {"create": "created", "update": "changed", "delete": "deleted", "adopt": "adopted"}
KEPT = "unchanged"  # and no longer in the file
LONGEST_VALUE = 60  # characters of a value in a diff


File: TypeAlias = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True, show_default=True, help="A manifest; - is the standard input."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ManifestFlags:
    prune: Annotated[bool, Parameter(help="Delete this manifest's rows that left the file.")] = (
        False
    )
    adopt: Annotated[bool, Parameter(help="Take rows that belong to another owner.")] = False
    fire: Annotated[bool, Parameter(help="Fire what is created or edited, once.")] = False


def plan(
    file: File = "tinyforge.yaml",
    /,
    *,
    check: Annotated[bool, Parameter(help="Exit 1 when anything would change.")] = False,
    flags: ManifestFlags = ManifestFlags(),
    shared: Shared = DEFAULT,
) -> int:
    asked = _request(file, flags)
    out = screen(shared)
    with reach(out, Offline.READ) as api:
        reply = api.post("/manifest/plan", PlanView, asked)
    view = reply.read()
    if shared.json:
        out.raw(reply.body)
    else:
        _planned(out, view)
    return 1 if check and any(change.action != KEPT for change in view.changes) else 0


def apply(
    file: File = "tinyforge.yaml",
    /,
    *,
    flags: ManifestFlags = ManifestFlags(),
    shared: Shared = DEFAULT,
) -> int:
    asked = _request(file, flags)
    out = screen(shared)
    with reach(out, Offline.WRITE) as api:
        reply = api.post("/manifest/apply", PlanView, asked)
    if shared.json:
        return out.raw(reply.body)
    _planned(out, reply.read())
    return 0


def export(
    *,
    name: Annotated[
        str | None, Parameter(help="Only what this manifest owns; none: everything.")
    ] = None,
    endpoints: Annotated[
        bool, Parameter(help="Also the endpoints that are secrets; keep the file as one.")
    ] = False,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    asked = {"name": name, "endpoints": "true" if endpoints else None}
    with reach(out, Offline.READ) as api:
        reply = api.get("/manifest/export", ExportView, asked)
    if shared.json:
        return out.raw(reply.body)
    out.out.write(reply.read().text)
    return 0


def _request(file: str, flags: ManifestFlags) -> ManifestRequest:
    return ManifestRequest(
        source=file,
        text=_text(file),
        prune=flags.prune,
        adopt=flags.adopt,
        fire=flags.fire,
    )


def _text(file: str) -> str:
    raw = _bytes(file)
    if len(raw) > LARGEST:
        raise CalledWrongly(f"{file}: larger than {LARGEST >> 20} MiB", "split it in two")
    try:
        return raw.decode()
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise CalledWrongly(f"{file}:{line}: not UTF-8", "save the file as UTF-8") from None


def _bytes(file: str) -> bytes:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read(LARGEST + 1)
    try:
        with Path(file).open("rb") as stream:
            return stream.read(LARGEST + 1)
    except FileNotFoundError:
        if file.startswith("--"):
            raise CalledWrongly(f"there is no option {file}", "add --help to see all") from None
        raise CalledWrongly(f"there is no file {file}", "tinyforge init writes one") from None
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise CalledWrongly(f"{file}: {reason}", "give a manifest's file") from None


# --- the diff


def _planned(out: Screen, view: PlanView) -> None:
    for change in view.changes:
        _change(out, change)
    out.line(_summary(view))
    for one in view.would_fire:
        fired = "fires at once" if view.applied else "would fire at once"
        out.line(f"{one.trigger} {fired}: {out.words(one.why)}")
    for fire in view.fired:
        out.line(f"{fire.trigger} fired: {fire.event}")
    for warning in view.warnings:
        out.hint(f"warning: {out.words(warning)}")
    out.next(view.next_command)


def _change(out: Screen, change: ChangeView) -> None:
    out.title(f"{SIGNS.get(change.action, '*')} {change.what} {change.name}")
    for field in change.fields:
        out.line(f"    {_field(change, field)}")
    for note in change.notes:
        out.line(f"    {note}")


def _field(change: ChangeView, field: FieldView) -> str:
    if change.action == "create":
        return f"{field.name}: {_value(field.after)}"
    return f"{field.name}: {_value(field.before)} → {_value(field.after)}"


def _value(value: object) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.encode(value).decode()
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def _summary(view: PlanView) -> str:
    counts = Counter(change.action for change in view.changes)
    kept = counts.pop(KEPT, 0)
    left = f", {kept:,} no longer in the file" if kept else ""
    if not counts:
        return f"{view.source}: nothing to change, {view.unchanged:,} rows are as it says{left}"
    if view.applied:
        done = (f"{count:,} {DONE.get(action, action)}" for action, count in counts.items())
    else:
        done = (f"{count:,} to {action}" for action, count in counts.items())
    return f"{', '.join(done)}, {view.unchanged:,} unchanged{left}"
