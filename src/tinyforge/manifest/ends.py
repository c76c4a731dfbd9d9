"""The two ends of a binding: whether they are there, and whether its rule fits."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from tinyforge.errors import TinyforgeError
from tinyforge.manifest.entries import BindingEntry, Document
from tinyforge.manifest.fields import Fields
from tinyforge.manifest.mistakes import Mistakes, quoted, suggestion
from tinyforge.model import Json
from tinyforge.plugins import Plugins

PRUNED = "it is no longer in this file and --prune removes it; point to another"


class Around(Struct, frozen=True, kw_only=True):
    """What there will be to bind beside the manifest's own rows; *pruned* goes away."""

    triggers: Mapping[str, tuple[str, Json]]  # name -> kind and config
    workloads: Collection[str]
    pruned: frozenset[tuple[str, str]]  # (section, name)


def check_ends(document: Document, around: Around, plugins: Plugins, mistakes: Mistakes) -> None:
    """Add a mistake for each end that is not there and each rule that its trigger refuses."""
    kinds = dict(around.triggers)
    kinds.update((row.name, (row.kind, row.config)) for row in document.triggers.values())
    workloads = {*around.workloads, *document.workloads}
    for entry in document.bindings.values():
        fields = Fields(entry.node, f"bindings.{entry.name}", mistakes)
        for field, section, name, known in (
            ("trigger", "triggers", entry.trigger, kinds),
            ("workload", "workloads", entry.workload, workloads),
        ):
            if name not in known and (section, name) not in document.misread:
                gone = (section, name) in around.pruned
                hint = PRUNED if gone else suggestion(name, known)
                fields.wrong(field, f"no {field} named {quoted(name)}; {hint}")
        if entry.trigger in kinds:
            _check_rule(entry, kinds[entry.trigger], plugins, fields)


def _check_rule(
    entry: BindingEntry, trigger: tuple[str, Json], plugins: Plugins, fields: Fields
) -> None:
    kind, config = trigger
    try:
        plugins.trigger(kind, config).matcher(entry.rule)
    except TinyforgeError:
        return  # the trigger itself is broken, which is said elsewhere
    except Exception as problem:  # noqa: BLE001 - plugin code; one bad rule must not hide others
        what = str(problem) if isinstance(problem, ValueError) else f"its kind fails: {problem!r}"
        lines = what.splitlines()
        about = [_about(line, entry.rule) for line in lines]
        for field, said in about if all(field for field, _ in about) else [("", what)]:
            fields.wrong(field or _whole(entry.rule), said)


def _about(line: str, rule: Json) -> tuple[str, str]:
    """Return the field that *line* begins with, as people write it, and the rest; or no field."""
    field, colon, said = line.partition(": ")
    key = field.partition("[")[0]
    if colon and field == "match":
        return _whole(rule), said
    if not colon or key not in rule:
        return "", line
    return field if key == "when" else f"match.{field}", said


def _whole(rule: Json) -> str:
    return "when" if rule.keys() == {"when"} else "match"
