"""What `tinyforge match` does: say what rules make of a delivery, without a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from msgspec import json

from tinyforge.changes import Change
from tinyforge.cli.dump import read_headers
from tinyforge.cli.failure import CalledWrongly
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.screen import Screen, screen
from tinyforge.cli.tables import Column, Row
from tinyforge.cli.text import counted
from tinyforge.clock import SystemClock
from tinyforge.deliveries import Delivery, Receives
from tinyforge.errors import InvalidConfig, InvalidManifest, UnknownKind
from tinyforge.kinds import TriggerKind
from tinyforge.manifest.document import read as read_manifest
from tinyforge.manifest.entries import Document, TriggerEntry
from tinyforge.manifest.rule_file import read_rule
from tinyforge.model import Json
from tinyforge.operations.matching import Candidate, MatchView, TriedView, try_rules
from tinyforge.plugins import Plugins

STANDARD_INPUT = "-"
LARGEST_PAYLOAD = 64 << 20  # bytes, as of a delivery
LARGEST_HEADERS = 256 << 10
LARGEST_MANIFEST = 16 << 20
SECRET = "${env:TINYFORGE_NO_SECRET}"  # noqa: S105 - stands where a kind wants one; never resolved
JSON_TYPE = "application/json"
TYPE = "content-type"
CHANGES = (
    Column("CHANGE", whole=True, right=True),
    Column("EVENT", whole=True),
    Column("REPOSITORY", leave_out=1),
    Column("REF OR IMAGE"),
    Column("COMMIT OR DIGEST", leave_out=2),
)
LONGEST_LIST = 50  # changes that people are shown
SHOWN_FILES = 10


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MatchFlags:
    kind: Annotated[str | None, Parameter(help="The trigger's kind, such as github.")] = None
    headers: Annotated[
        str | None, Parameter(help="A file of `Name: value` lines, or of curl -v's output.")
    ] = None
    payload: Annotated[
        str | None,
        Parameter(allow_leading_hyphen=True, help="The file of the body; - is standard input."),
    ] = None
    match: Annotated[str | None, Parameter(help="A YAML file with one rule.")] = None
    manifest: Annotated[str | None, Parameter(help="A manifest, whose bindings are tried.")] = None
    trigger: Annotated[str | None, Parameter(help="Which of the manifest's triggers.")] = None


NO_FLAGS = MatchFlags()


def match(*, flags: MatchFlags = NO_FLAGS, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    name, kind, candidates = _asked(flags)
    delivery = _delivery(out, flags)
    view = try_rules(name, kind, delivery, candidates)
    if shared.json:
        out.raw(json.encode(view))
    else:
        _show(out, view)
    return 0 if view.is_matched else 1


def _asked(flags: MatchFlags) -> tuple[str, Receives, Sequence[Candidate]]:
    if flags.payload is None:
        raise CalledWrongly("tinyforge match needs --payload", "tinyforge match --help")
    if flags.match and flags.manifest:
        raise CalledWrongly("--match and --manifest cannot be meant both", "leave one out")
    if flags.trigger and not flags.manifest:
        raise CalledWrongly("--trigger names one of a manifest", "add --manifest FILE")
    plugins = Plugins.discover()
    if flags.manifest is not None:
        return _of_manifest(flags, flags.manifest, plugins)
    if flags.kind is None:
        raise CalledWrongly(
            "tinyforge match needs --kind, or a --manifest that says it",
            "tinyforge match --kind github --headers HEADERS --payload BODY",
        )
    kind = _bare(flags.kind, plugins)
    rule: Json = {}
    if flags.match is not None:
        rule = _parsed_rule(flags.match)
    source = flags.match or "(no rule)"
    return flags.kind, kind, _candidates(kind, [(source, "", rule, True)], source)


def _bare(name: str, plugins: Plugins) -> Receives:
    """Return the kind with nothing but what it must have."""
    config = {"secret": SECRET}
    try:
        needs_secret = any(
            field.name == "secret" and field.required for field in plugins.fields("trigger", name)
        )
        return _receiving(name, plugins, config if needs_secret else {})
    except UnknownKind as problem:
        raise CalledWrongly(f"--kind: {problem}") from None


def _receiving(name: str, plugins: Plugins, config: Json) -> Receives:
    kind: TriggerKind | None = None
    try:
        if plugins.receives(name):
            kind = plugins.trigger(name, config)
    except InvalidConfig as problem:
        raise CalledWrongly(
            str(problem), "give --manifest FILE with the whole trigger in it"
        ) from None
    if not isinstance(kind, Receives):
        raise CalledWrongly(
            f"triggers of kind {name} receive no webhooks", "give a kind that does, such as github"
        )
    return kind


# --- of a manifest


def _of_manifest(
    flags: MatchFlags, source: str, plugins: Plugins
) -> tuple[str, Receives, Sequence[Candidate]]:
    document = _document(source, plugins)
    entry = _trigger(document, flags, source)
    kind = _receiving(entry.kind, plugins, entry.config)
    rules = [
        (one.name, one.workload, one.rule, one.enabled)
        for one in document.bindings.values()
        if one.trigger == entry.name
    ]
    return entry.kind, kind, _candidates(kind, rules, source)


def _document(source: str, plugins: Plugins) -> Document:
    try:
        document = read_manifest(_bytes(source, LARGEST_MANIFEST), source, plugins, resolving=False)
        if len(document.mistakes):
            raise document.mistakes.error()
    except InvalidManifest as problem:
        raise _mistakes(source, problem.mistakes) from None
    return document


def _trigger(document: Document, flags: MatchFlags, source: str) -> TriggerEntry:
    if flags.trigger is not None:
        found = document.triggers.get(flags.trigger)
        if found is None:
            names = ", ".join(document.triggers) or "none"
            raise CalledWrongly(f"{source} has no trigger {flags.trigger!r}", f"it has {names}")
        if flags.kind not in {None, found.kind}:
            raise CalledWrongly(f"{found.name} is of kind {found.kind}, not {flags.kind}")
        return found
    ones = [one for one in document.triggers.values() if flags.kind in {None, one.kind}]
    if len(ones) == 1:
        return ones[0]
    of_kind = f" of kind {flags.kind}" if flags.kind else ""
    if not ones:
        raise CalledWrongly(f"{source} has no trigger{of_kind}", "add one, or give --match RULE")
    names = ", ".join(one.name for one in ones)
    raise CalledWrongly(
        f"{source} has {len(ones)} triggers{of_kind}", f"say which with --trigger: {names}"
    )


def _candidates(
    kind: Receives, rules: Sequence[tuple[str, str, Json, bool]], source: str
) -> Sequence[Candidate]:
    found: list[Candidate] = []
    mistakes: list[str] = []
    for binding, workload, rule, enabled in rules:
        try:
            matcher = kind.matcher(rule)
        except ValueError as problem:
            mistakes += [f"{binding}: {line}" for line in str(problem).splitlines()]
            continue
        found.append(
            Candidate(binding=binding, workload=workload, matcher=matcher, enabled=enabled)
        )
    if mistakes:
        raise _mistakes(source, mistakes)
    return found


# --- files


def _parsed_rule(source: str) -> Json:
    try:
        return read_rule(_bytes(source, LARGEST_MANIFEST), source)
    except InvalidManifest as problem:
        raise _mistakes(source, problem.mistakes) from None


def _mistakes(source: str, found: Sequence[str]) -> CalledWrongly:
    return CalledWrongly(f"{source} has {counted(len(found), 'mistake')}", "", found)


def _delivery(out: Screen, flags: MatchFlags) -> Delivery:
    headers: dict[str, str] = {}
    if flags.headers is not None:
        text = _bytes(flags.headers, LARGEST_HEADERS).decode("latin-1")
        headers = dict(read_headers(text, flags.headers))
    body = _bytes(flags.payload or STANDARD_INPUT, LARGEST_PAYLOAD)
    given = headers.setdefault(TYPE, JSON_TYPE)
    if "form" in given and body.lstrip().startswith(b"{"):
        headers[TYPE] = JSON_TYPE
        out.hint(f"the headers say {given}, but the payload is JSON: it is read as JSON")
    return Delivery(headers=headers, body=body, at=SystemClock().now())


def _bytes(file: str, most: int) -> bytes:
    try:
        if file == STANDARD_INPUT:
            content = sys.stdin.buffer.read(most + 1)
        else:
            with Path(file).open("rb") as stream:
                content = stream.read(most + 1)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise CalledWrongly(f"{file}: {reason}", "give a file that can be read") from None
    if len(content) > most:
        raise CalledWrongly(f"{file}: larger than {most >> 10} KiB", "is it the right file?")
    return content


# --- what people see


def _show(out: Screen, view: MatchView) -> None:
    if view.verdict != "accepted":
        out.line(f"{view.kind}: {view.verdict}: {view.reason}")
        return
    _show_changes(out, view.changes)
    if view.delivery_id:
        out.line(f"delivery id {view.delivery_id}")
    out.line()
    for one in view.results:
        out.out.write(f"{out.state(one.outcome)}  ")
        out.line(_named(one))
        out.line(f"    {one.reason}")
    matched = sum(one.outcome == "matched" for one in view.results)
    if not view.results:
        out.line("the trigger is bound to no workload: add a binding to the manifest")
    else:
        out.line(f"{matched:,} of {counted(len(view.results), 'binding')} would deploy")
    out.hint("the signature was not checked: this tries rules alone")


def _named(one: TriedView) -> str:
    where = f" (change {one.change + 1})" if one.change else ""
    return one.binding + (f" -> {one.workload}" if one.workload else "") + where


def _show_changes(out: Screen, changes: Sequence[Change]) -> None:
    if len(changes) == 1:
        out.facts(dict(_facts(changes[0])))
        return
    out.table(CHANGES, (_row(place, one) for place, one in enumerate(changes[:LONGEST_LIST], 1)))
    if len(changes) > LONGEST_LIST:
        out.line(f"… and {len(changes) - LONGEST_LIST:,} more; --json shows all")


def _row(place: int, change: Change) -> Row:
    event = "delete" if change.deleted else change.event
    what = f"{change.image}:{change.tag}" if change.image else change.ref
    return (str(place), event, change.repository, what, change.digest or change.commit)


def _facts(change: Change) -> Iterator[tuple[str, str]]:
    """Yield what the change says, in its own words."""
    for name, value in msgspec.structs.asdict(change).items():
        match value:
            case bool():
                yield name, "yes" if value else ""
            case str():
                yield name, value
            case None:
                yield name, "unknown" if change.event == "push" else ""
            case _:
                more = f", … {len(value):,} in all" if len(value) > SHOWN_FILES else ""
                yield name, ", ".join(value[:SHOWN_FILES]) + more
