"""The text of a row's config, as a manifest would write it: what a revision keeps."""

from __future__ import annotations

import msgspec

from tinyforge.clock import SECOND
from tinyforge.model import DEFAULT_TIMEOUT, Binding, Json, Queue, Trigger, Workload

_encoder = msgspec.json.Encoder(order="sorted")


def trigger_text(trigger: Trigger) -> str:
    common: Json = {"kind": trigger.kind} | ({} if trigger.enabled else {"enabled": False})
    return _text({**trigger.config, **common})


def workload_text(workload: Workload) -> str:
    common: dict[str, object] = {"kind": workload.kind}
    if workload.queue is not Queue.LATEST:
        common["queue"] = workload.queue.value
    if workload.timeout != DEFAULT_TIMEOUT:
        common["timeout"] = f"{workload.timeout // SECOND}s"
    if workload.retry.attempts > 1:
        backoff = f"{workload.retry.backoff // SECOND}s"
        common["retry"] = {"attempts": workload.retry.attempts, "backoff": backoff}
    if workload.idempotent is not None:
        common["idempotent"] = workload.idempotent
    return _text({**workload.config, **common})


def binding_text(binding: Binding, trigger: str, workload: str) -> str:
    common: dict[str, object] = {"trigger": trigger, "workload": workload}
    if binding.rule:
        common["match"] = binding.rule
    if not binding.enabled:
        common["enabled"] = False
    return _text(common)


def _text(config: Json) -> str:
    return _encoder.encode(config).decode()
