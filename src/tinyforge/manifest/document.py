"""Text -> what it says, with every mistake in it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from tinyforge.manifest import entries
from tinyforge.manifest.entries import BindingEntry, Document
from tinyforge.manifest.fields import Fields, named
from tinyforge.manifest.mistakes import Mistakes, quoted
from tinyforge.manifest.rows import BINDING_EXAMPLE, NAME_RULE, Rows
from tinyforge.manifest.syntax import Node
from tinyforge.manifest.syntax import read as read_syntax
from tinyforge.plugins import Plugins
from tinyforge.references import Allowance

E = TypeVar("E")


def read(
    data: bytes | str,
    source: str,
    plugins: Plugins,
    *,
    resolving: bool = True,
    allowance: Allowance | None = None,
) -> Document:
    """Return what *data* says; its `mistakes` hold all that is wrong with it.

    InvalidManifest where it cannot be read as YAML to its end. *source* is how mistakes call it.
    Without *resolving* it is no mistake that a reference has no value here. *allowance*: what it
    may name; None: anything.
    """
    mistakes = Mistakes(source)
    rows = Rows(plugins, mistakes, resolving=resolving, allowance=allowance)
    return _Reading(read_syntax(data, mistakes), rows, mistakes).document()


class _Reading:
    def __init__(self, root: Node, rows: Rows, mistakes: Mistakes) -> None:
        self._top = Fields(root, "", mistakes)
        self._rows = rows
        self._mistakes = mistakes
        self._misread: set[tuple[str, str]] = set()

    def document(self) -> Document:
        if self._top.node.value is None:
            self._mistakes.add(1, "", "nothing is in here; begin with `version: 1`")
        elif self._top.is_mapping("`version: 1`"):
            self._top.refuse_unknown(entries.MANIFEST_KEYS)
            self._check_version()
        return Document(
            name=self._name(),
            workloads=dict(self._named("workloads", self._rows.workload)),
            triggers=dict(self._named("triggers", self._rows.trigger)),
            bindings=self._bindings(),
            misread=frozenset(self._misread),
            mistakes=self._mistakes,
        )

    def _check_version(self) -> None:
        node = self._top.get("version")
        if node is None:
            self._top.wrong("version", f"is missing; write `version: {entries.VERSION}`")
        elif node.value is True or node.value != entries.VERSION:
            known = f"this program reads `version: {entries.VERSION}`"
            self._top.wrong("version", f"{named(node)} is unknown; {known}")

    def _name(self) -> str:
        name = self._top.text("name")
        if name is None:
            return entries.DEFAULT_NAME
        if not entries.NAME.fullmatch(name):
            self._top.wrong("name", f"{quoted(name)} cannot be a name; {NAME_RULE}")
        return name

    def _named(self, section: str, row: Callable[[str, Node], E | None]) -> Iterator[tuple[str, E]]:
        node = self._top.get(section)
        if node is None:
            return
        if not isinstance(node.value, dict):
            self._top.wrong(section, f"must be names and their rows, not {named(node)}")
            return
        for name, inner in node.value.items():
            found = row(name, inner)
            if found is None:
                self._misread.add((section, name))
            else:
                yield name, found

    def _bindings(self) -> Mapping[str, BindingEntry]:
        node = self._top.get("bindings")
        if node is None:
            return {}
        if not isinstance(node.value, list):
            self._top.wrong("bindings", f"must be a list of {BINDING_EXAMPLE}, not {named(node)}")
            return {}
        found: dict[str, BindingEntry] = {}
        for number, inner in enumerate(node.value, 1):
            entry = self._rows.binding(number, inner)
            if entry is not None and found.setdefault(entry.name, entry) is not entry:
                line = found[entry.name].line
                what = f"the name is taken by the binding on line {line}; give one another `name`"
                self._mistakes.add(inner.line, f"bindings.{entry.name}", what)
        return found
