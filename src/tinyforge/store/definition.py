"""A row as a manifest writes it: one mapping, kind-specific keys beside the common ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from tinyforge.clock import DAY, HOUR, MINUTE, SECOND, Micros
from tinyforge.labels import Labels
from tinyforge.model import DEFAULT_TIMEOUT, Binding, Json, Queue, Retry, Trigger, Workload

WORKLOAD_KEYS = ("kind", "queue", "timeout", "retry", "idempotent", "on")
TRIGGER_KEYS = ("kind", "enabled")
BINDING_KEYS = ("name", "trigger", "workload", "enabled", "match", "when")


def as_duration(length: Micros) -> str:
    """Return the text that `duration` reads as *length*, in whole seconds: `1h30m`."""
    left, text = -(-length // SECOND) * SECOND, ""
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND)):
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


# what a key means that is left out
USUAL: Json = {
    "enabled": True,
    "queue": str(Queue.LATEST),
    "timeout": as_duration(DEFAULT_TIMEOUT),
    "retry": {"attempts": 1, "backoff": as_duration(Retry().backoff)},
    "match": {},
}


def workload_form(row: Workload) -> Json:
    retry = {"attempts": row.retry.attempts, "backoff": as_duration(row.retry.backoff)}
    return {
        "kind": row.kind,
        **_own(row.config, WORKLOAD_KEYS),
        "queue": str(row.queue),
        "timeout": as_duration(row.timeout),
        "retry": retry,
        **({} if row.idempotent is None else {"idempotent": row.idempotent}),
        **({"on": _asked(row.on)} if row.on else {}),
    }


def trigger_form(row: Trigger) -> Json:
    return {
        "kind": row.kind,
        **_own(row.config, TRIGGER_KEYS),
        "enabled": row.enabled,
    }


def binding_form(row: Binding, triggers: Mapping[int, str], workloads: Mapping[int, str]) -> Json:
    """Return the form with the names of its ends, or their ids where those rows are gone."""
    return {
        "name": row.name,
        "trigger": triggers.get(row.trigger_id, f"({row.trigger_id})"),
        "workload": workloads.get(row.workload_id, f"({row.workload_id})"),
        **rule_form(row.rule),
        "enabled": row.enabled,
    }


def rule_form(rule: Json) -> Json:
    """Return the rule as two keys: its own, and `when` beside them where there is one."""
    match = {key: _as_written(value) for key, value in rule.items() if key != "when"}
    return {"match": match, **({"when": _as_written(rule["when"])} if "when" in rule else {})}


def sparse(form: Json) -> Json:
    """Return the form without what means the same when it is left out."""
    usual_name = f"{form.get('trigger')}.{form.get('workload')}"
    return {
        key: value
        for key, value in form.items()
        if (usual_name if key == "name" else USUAL.get(key, ...)) != value
    }


def text_of(value: object) -> str:
    """Return JSON with sorted keys: what means the same is the same text."""
    try:
        return msgspec.json.encode(value, order="sorted").decode()
    except (ValueError, TypeError, RecursionError):  # only of a row that was written by hand
        return ascii(value)


def _asked(on: Labels) -> object:
    return on[0] if len(on) == 1 else list(on)


def _own(config: Json, common: Collection[str]) -> Json:
    """Return the keys of the kind; one that says nothing means what a missing one means."""
    return {
        key: _as_written(value)
        for key, value in config.items()
        if value is not None and key not in common
    }


def _as_written(value: object) -> object:
    """Return *value* as it would be read back from a manifest, which has no fractions."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {key: _as_written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_written(item) for item in value]
    return value
