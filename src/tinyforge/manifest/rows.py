"""One workload, trigger or binding as written -> its entry, or its mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from tinyforge.errors import InvalidConfig, UnknownKind
from tinyforge.labels import Labels, labels
from tinyforge.manifest import endpoints, entries
from tinyforge.manifest.entries import BindingEntry, TriggerEntry, WorkloadEntry
from tinyforge.manifest.fields import Fields, field_of, named
from tinyforge.manifest.mistakes import Mistakes, quoted, quoted_name, suggestion
from tinyforge.manifest.syntax import Node, plain
from tinyforge.model import DEFAULT_TIMEOUT, Json, Queue, Retry
from tinyforge.plugins import Plugins, Role
from tinyforge.references import Allowance, refused, unresolved
from tinyforge.store import definition

EXAMPLES: Mapping[Role, str] = MappingProxyType(
    {
        "trigger": '{kind: schedule, cron: "0 3 * * *"}',
        "workload": '{kind: command, command: ["./deploy.sh"]}',
    }
)
COMMON: Mapping[Role, tuple[str, ...]] = MappingProxyType(
    {"trigger": definition.TRIGGER_KEYS, "workload": definition.WORKLOAD_KEYS}
)
BINDING_EXAMPLE = "{trigger: nightly, workload: site}"
RETRY_EXAMPLE = "{attempts: 3, backoff: 10s}"
NAME_RULE = "use a-z, 0-9 and . _ -, at most 63 of them, a letter or a digit first"


class _KindConfig(Struct, frozen=True):
    kind: str
    config: Json


class Rows:
    def __init__(
        self,
        plugins: Plugins,
        mistakes: Mistakes,
        *,
        resolving: bool = True,
        allowance: Allowance | None = None,
    ) -> None:
        self._plugins = plugins
        self._resolving = resolving
        self._allowance = allowance
        self._mistakes = mistakes
        self._kind_keys: dict[tuple[Role, str], tuple[str, ...]] = {}

    def workload(self, name: str, node: Node) -> WorkloadEntry | None:
        fields = Fields(node, f"workloads.{quoted_name(name)}", self._mistakes)
        self._check_name(name, fields)
        if not fields.is_mapping(EXAMPLES["workload"]):
            return None
        found = self._kind_config("workload", fields)
        entry = WorkloadEntry(
            name=name,
            kind=found.kind,
            config=found.config,
            queue=Queue(fields.choice("queue", Queue, Queue.LATEST)),
            timeout=fields.length("timeout", entries.TIMEOUTS, DEFAULT_TIMEOUT),
            retry=self._retry(fields),
            idempotent=fields.flag("idempotent"),
            on=_place(fields),
            line=node.key_line,
        )
        return entry if fields.is_clean else None

    def trigger(self, name: str, node: Node) -> TriggerEntry | None:
        fields = Fields(node, f"triggers.{quoted_name(name)}", self._mistakes)
        self._check_name(name, fields)
        if not fields.is_mapping(EXAMPLES["trigger"]):
            return None
        found = self._kind_config("trigger", fields)
        entry = TriggerEntry(
            name=name,
            kind=found.kind,
            config=found.config,
            enabled=fields.flag("enabled") is not False,
            endpoint=self._endpoint(fields, found),
            line=node.key_line,
        )
        return entry if fields.is_clean else None

    def binding(self, number: int, node: Node) -> BindingEntry | None:
        """Read the binding that is the *number*-th of its list."""
        keys = node.value if isinstance(node.value, dict) else {}
        name = _binding_name(keys)
        fields = Fields(node, f"bindings.{quoted_name(name or str(number))}", self._mistakes)
        if not fields.is_mapping(BINDING_EXAMPLE):
            return None
        fields.refuse_unknown(definition.BINDING_KEYS)
        for key in ("trigger", "workload"):
            if not fields.has(key):
                fields.wrong(key, f"is missing; write {BINDING_EXAMPLE}")
        self._check_binding_name(fields, name)
        entry = BindingEntry(
            name=name,
            trigger=fields.text("trigger") or "",
            workload=fields.text("workload") or "",
            rule=_rule(fields),
            enabled=fields.flag("enabled") is not False,
            line=node.line,
            node=node,
        )
        return entry if fields.is_clean else None

    def _check_name(self, name: str, fields: Fields) -> None:
        if not entries.NAME.fullmatch(name):
            fields.wrong("", f"{quoted(name)} cannot be a name; {NAME_RULE}")

    def _check_binding_name(self, fields: Fields, name: str) -> None:
        if fields.has("name"):
            if (given := fields.text("name")) is not None and not entries.NAME.fullmatch(given):
                fields.wrong("name", f"{quoted(given)} cannot be a name; {NAME_RULE}")
        elif len(name) > entries.LONGEST_NAME:
            fields.wrong("", f"its usual name is too long ({len(name)}); give it a `name`")

    def _kind_config(self, role: Role, fields: Fields) -> _KindConfig:
        known = (
            self._plugins.trigger_kinds() if role == "trigger" else self._plugins.workload_kinds()
        )
        kind = fields.text("kind")
        if not fields.has("kind"):
            fields.wrong("kind", f"is missing; one of {', '.join(known)}")
        if kind is None:
            return _KindConfig("", {})
        if kind not in known:
            fields.wrong("kind", f"no {role} kind {quoted(kind)}; {suggestion(kind, known)}")
            return _KindConfig(kind, {})
        return _KindConfig(kind, self._config(role, kind, fields))

    def _config(self, role: Role, kind: str, fields: Fields) -> Json:
        """Return the keys that belong to the kind, checked by it."""
        try:
            own = self._keys_of(role, kind)
        except UnknownKind as problem:
            fields.wrong("kind", str(problem))
            return {}
        receives = role == "trigger" and self._plugins.receives(kind)
        common = (*COMMON[role], *((endpoints.KEY,) if receives else ()))
        fields.refuse_unknown((*common, *own))
        config = fields.config(own)
        try:
            if role == "trigger":
                self._plugins.trigger(kind, config)
            else:
                self._plugins.workload(kind, config)
        except InvalidConfig:
            for field, what in self._plugins.mistakes(role, kind, config):
                fields.wrong(field or "", what)
        if self._may_name(config, fields) and self._resolving:
            for pointer, what in unresolved(config, sealed=False):
                fields.wrong(field_of(config, pointer), f"{what}; give it a value there first")
        return config

    def _may_name(self, config: Json, fields: Fields) -> bool:
        """Say whether all that *config* names may be; what may not is not even looked at."""
        wrong = refused(config, self._allowance) if self._allowance else ()
        for pointer, what in wrong:
            fields.wrong(field_of(config, pointer), what)
        return not wrong

    def _endpoint(self, fields: Fields, found: _KindConfig) -> str | None:
        """Return what a trigger of a kind that receives says of its endpoint."""
        if not fields.has(endpoints.KEY) or not self._plugins.receives(found.kind):
            return None
        try:
            kind = self._plugins.trigger(found.kind, found.config)
        except InvalidConfig:
            return None  # which is said already
        written = fields.text(endpoints.KEY)
        if written is None or not self._may_name({endpoints.KEY: written}, fields):
            return None
        return endpoints.checked(written, fields, kind, resolving=self._resolving)

    def _keys_of(self, role: Role, kind: str) -> tuple[str, ...]:
        """Return the keys of *kind* without those that mean the same in every row."""
        if (role, kind) not in self._kind_keys:
            names = (field.name for field in self._plugins.fields(role, kind))
            self._kind_keys[role, kind] = tuple(name for name in names if name not in COMMON[role])
        return self._kind_keys[role, kind]

    def _retry(self, fields: Fields) -> Retry:
        node = fields.get("retry")
        if node is None:
            return Retry()
        retry = Fields(node, f"{fields.where}.retry", self._mistakes)
        if not retry.is_mapping(RETRY_EXAMPLE):
            return Retry()
        retry.refuse_unknown(entries.RETRY_KEYS)
        attempts = retry.get("attempts")
        count = attempts.value if attempts else None
        if type(count) is not int or not 1 <= count <= entries.MOST_ATTEMPTS:
            given = named(attempts) if attempts else "nothing"
            most = entries.MOST_ATTEMPTS
            retry.wrong("attempts", f"must be a number from 1 to {most}, not {given}")
            count = 1
        return Retry(
            attempts=count,
            backoff=retry.length("backoff", entries.BACKOFFS, Retry().backoff),
        )


def _place(fields: Fields) -> Labels:
    node = fields.get("on")
    if node is None:
        return ()
    asked = plain(node)
    pairs = asked if isinstance(asked, list) else [asked]
    try:
        return labels(str(pair) for pair in pairs)
    except ValueError as problem:
        fields.wrong("on", str(problem))
        return ()


def _rule(fields: Fields) -> Json:
    """Return `match`, and `when` as one more of its keys."""
    when = fields.text("when")
    asked = {} if when is None else {"when": when}
    node = fields.get("match")
    if node is None:
        return asked
    rule = plain(node)
    if not isinstance(rule, dict):
        what = f"must be keys and values, not {named(node)}; such as {{branch: main}}"
        fields.wrong("match", what)
        return asked
    if "when" in rule:
        fields.wrong("match.when", "stands beside `match`, not in it")
    return {**rule, **asked}


def _binding_name(keys: Mapping[str, Node]) -> str:
    """Return the name as given or as usual; empty where it cannot be told."""
    name, trigger, workload = (
        node.value if (node := keys.get(key)) and isinstance(node.value, str) else ""
        for key in ("name", "trigger", "workload")
    )
    return name or (f"{trigger}.{workload}" if trigger and workload else "")
