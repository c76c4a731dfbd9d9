"""Configs as people see them: what is secret by its type is hidden, whatever way it came there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from tinyforge.errors import UnknownKind
from tinyforge.model import Json, Revision, Trigger, Workload
from tinyforge.plugins import Plugins, Role
from tinyforge.references import masked

ROLES: Mapping[str, Role] = {"trigger": "trigger", "workload": "workload"}
# of a kind that is not installed here, whose fields nobody can ask
LIKELY = frozenset({"secret", "secrets", "token", "password", "key"})


@dataclass(frozen=True)
class Masks:
    plugins: Plugins

    def config(self, role: Role, kind: str, config: Json) -> Json:
        """Return *config* with nothing but references in its secret fields."""
        secret = self._fields(role, kind)
        if secret.isdisjoint(config):
            return config
        return {key: _masked(item) if key in secret else item for key, item in config.items()}

    def trigger(self, row: Trigger) -> Trigger:
        config = self.config("trigger", row.kind, row.config)
        return row if config is row.config else replace(row, config=config)

    def workload(self, row: Workload) -> Workload:
        config = self.config("workload", row.kind, row.config)
        return row if config is row.config else replace(row, config=config)

    def form(self, role: str, form: Json) -> Json:
        """Return a row as a manifest writes it; *role* may also be `binding`, which has none."""
        of = ROLES.get(role)
        return form if of is None else self.config(of, str(form.get("kind", "")), form)

    def revisions(self, found: Iterable[Revision]) -> list[Revision]:
        """Return them with their texts masked, the newest first."""
        masked_ones = [replace(one, text=self._text(one.what, one.text)) for one in found]
        return sorted(masked_ones, key=lambda one: -one.since)

    def _text(self, role: str, text: str) -> str:
        try:
            form = msgspec.json.decode(text, type=dict[str, object])
        except msgspec.MsgspecError:  # only of a row that was written by hand
            return masked(text)
        shown = self.form(role, form)
        return text if shown is form else msgspec.json.encode(shown).decode()

    def _fields(self, role: Role, kind: str) -> frozenset[str]:
        try:
            return self.plugins.secret_fields(role, kind)
        except UnknownKind:
            return LIKELY


def _masked(value: object) -> object:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_masked(item) for item in value]
    return value if value is None or isinstance(value, bool) else masked(str(value))
