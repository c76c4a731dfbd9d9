"""What every kind promises, to be run by a kind's own tests.

def test_it_keeps_the_contract():
    check_trigger_kind(MyTrigger, good=[{"repository": "a/b"}], bad=[{}], rules=[{"branch": "x"}])
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import FrozenInstanceError, fields, is_dataclass
from inspect import iscoroutinefunction
from types import MappingProxyType
from typing import TypeVar

import msgspec

from tinyforge.clock import DAY, Moment
from tinyforge.deliveries import (
    EVENTS,
    Accepted,
    Delivery,
    Ignored,
    Receives,
    Refused,
    Verified,
)
from tinyforge.errors import Unresolved
from tinyforge.kinds import (
    DeployContext,
    EndedRun,
    FollowsRuns,
    Match,
    Matcher,
    TriggerKind,
    WorkloadKind,
)
from tinyforge.model import Event, EventId, Json, TriggerId
from tinyforge.plugins import refusal_of
from tinyforge.plugins.config import Schema

K = TypeVar("K")

COMMON_TRIGGER_KEYS = frozenset({"kind", "enabled"})
COMMON_WORKLOAD_KEYS = frozenset({"kind", "queue", "timeout", "retry", "idempotent", "on"})
NEW_YEAR_2026: Moment = 1_767_225_600_000_000
PATIENCE = 10.0  # seconds for a deploy to begin, and to let a cancellation through
ODD_FACTS: tuple[Json, ...] = (
    {},
    {"": None},
    {"branch": "main", "tag": None, "paths": ["a/b", "c"], "count": 3, "forced": True},
    {"branch": ["main"], "tag": {"name": "v1"}, "paths": "a/b", "count": "3", "forced": 0},
    {"branch": "", "repository": "x" * 100_000, "pusher": "\x00\x1b[31m\u202e"},
    {"branch": {"main": {"main": [[[[None]]]]}}, "count": 1e308, "window": -(2**63)},
    {"workload": 1, "state": None, "run": [], "trigger": {}},
)

ODD_BODIES = (
    b"",
    b"null",
    b"{}",
    b"[[]]",
    b"\xff\x00",
    b"[" * 10_000,
    b'{"ref": {}, "repository": [null], "commits": 1, "events": {}, "push": [], "type": 0}',
)
ODD_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"content-type": "application/json"},
    {"content-type": "application/x-www-form-urlencoded", "authorization": ""},
    {"content-type": "application/json", "authorization": "Bearer \xff", "x-signature": "\u0660"},
)


class Written:
    """A run log that keeps its lines in a list."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)


def deploy_context(
    facts: Json = MappingProxyType({}),
    *,
    log: Written | None = None,
    run: str = "run_0000000000001",
) -> DeployContext:
    """Return what a deploy is given, for a fire by hand with these *facts*."""
    return DeployContext(
        run=run,
        attempt=1,
        workload="site",
        trigger="button",
        trigger_kind="manual",
        event_id="evt_0000000000001",
        event=_event(facts),
        log=log or Written(),
    )


def check_trigger_kind(
    cls: type[TriggerKind],
    *,
    good: Sequence[Json],
    bad: Sequence[Json] = (),
    rules: Sequence[Json] = ({},),
    bad_rules: Sequence[Json] = (),
) -> None:
    """Check the class and the *good* and *bad* configs; each good one compiles all *rules*."""
    schema = _check_class(cls, COMMON_TRIGGER_KEYS)
    for kind in _check_configs(schema, good, bad):
        for rule in rules:
            _check_matcher(kind, rule)
        for rule in bad_rules:
            _check_refused(kind, rule)
        if isinstance(kind, FollowsRuns):
            _check_follows(kind)
        if isinstance(kind, Receives):
            _check_receives(kind)


def check_workload_kind(
    cls: type[WorkloadKind], *, good: Sequence[Json], bad: Sequence[Json] = ()
) -> None:
    """Check the class and the *good* and *bad* configs; deploys nothing."""
    schema = _check_class(cls, COMMON_WORKLOAD_KEYS)
    assert isinstance(cls.idempotent, bool), f"{cls.__name__}.idempotent must be True or False"
    assert callable(cls.deploy), f"{cls.__name__} has no deploy"
    _check_configs(schema, good, bad)
    cls.reap(frozenset())


async def check_cancellation(
    kind: WorkloadKind, context: DeployContext, begun: Callable[[], bool]
) -> None:
    """Check that a deploy, cancelled once *begun* says that it is under way, ends soon after."""
    assert iscoroutinefunction(kind.deploy), "a plain `def deploy` runs in a thread to its end"
    deploying = asyncio.ensure_future(_deploy(kind, context))
    async with asyncio.timeout(PATIENCE):
        while not begun():
            assert not deploying.done(), f"the deploy ended before it was cancelled: {deploying}"
            await asyncio.sleep(0.01)
    deploying.cancel()
    await asyncio.wait([deploying], timeout=PATIENCE)
    assert deploying.done(), f"still deploying {PATIENCE:g} s after it was cancelled"
    assert deploying.cancelled(), "the deploy must let the cancellation through"


async def _deploy(kind: WorkloadKind, context: DeployContext) -> None:
    waiting = kind.deploy(context)
    assert waiting is not None
    await waiting


def _check_class(cls: type[K], common: frozenset[str]) -> Schema[K]:
    refusal = refusal_of(cls)
    assert refusal is None, refusal
    schema = Schema(cls)
    taken = common & {field.name for field in schema.fields}
    assert not taken, f"{cls.__name__}: {sorted(taken)} are keys that every row has"
    return schema


def _check_configs(schema: Schema[K], good: Sequence[Json], bad: Sequence[Json]) -> list[K]:
    assert good, "give at least one good config"
    for config in bad:
        assert schema.mistakes(config), f"{config!r} must be refused"
    return [_check_config(schema, config) for config in good]


def _check_config(schema: Schema[K], config: Json) -> K:
    before = deepcopy(dict(config))
    assert schema.mistakes(config) == [], f"{config!r} must be accepted"
    kind = schema.build(config)
    assert schema.build(config) == kind, "the same config must make an equal kind"
    assert config == before, "a kind must not change its config"
    assert schema.build(_written(kind)) == kind, "written out and read again it must be equal"
    assert schema.mistakes({**config, "no_such_field": 1}), "unknown fields must be refused"
    _check_frozen(kind)
    return kind


def _written(kind: object) -> Json:
    """Return the config of *kind* as JSON would give it back."""
    plain = msgspec.json.decode(msgspec.json.encode(kind), type=dict[str, object])
    return {name: value for name, value in plain.items() if value is not None}


def _check_frozen(kind: object) -> None:
    assert is_dataclass(kind)
    for field in fields(kind):
        try:
            setattr(kind, field.name, None)
        except FrozenInstanceError:
            continue
        raise AssertionError(f"{type(kind).__name__} must be frozen")


def _check_matcher(kind: TriggerKind, rule: Json) -> None:
    before = deepcopy(dict(rule))
    first, second = kind.matcher(rule), kind.matcher(rule)
    assert rule == before, "a matcher must not change its rule"
    for facts in ODD_FACTS:
        event = _event(deepcopy(dict(facts)))
        found = _match(first, event)
        assert event.facts == facts, "a match must not change the event"
        assert _match(first, event) == found, f"{facts!r}: a match must be the same each time"
        assert _match(second, event) == found, "equal rules must make equal matchers"


def _match(matcher: Matcher, event: Event) -> Match:
    found: object = matcher(event)
    assert isinstance(found, Match), f"a matcher must return a Match, not {found!r}"
    assert found.reason, "a match gives its reason"
    return found


def _check_refused(kind: TriggerKind, rule: Json) -> None:
    try:
        kind.matcher(rule)
    except ValueError:
        return
    raise AssertionError(f"the rule {rule!r} must be refused with a ValueError")


def _check_follows(kind: FollowsRuns) -> None:
    for workload in ("", "site", "no-such-workload"):
        for state in ("succeeded", "failed", "cancelled", "interrupted"):
            ended = EndedRun(workload=workload, state=state, run="run_0000000000001")
            found = kind.follows(ended)
            assert isinstance(found, bool), "follows must say True or False"
            assert kind.follows(ended) is found, "follows must say the same each time"


def _check_receives(kind: Receives) -> None:
    assert kind.fills, "fills: name the keys of a rule that its changes can answer"
    assert kind.usual_events, "usual_events: name what a rule without `events` means"
    assert set(kind.usual_events) <= set(EVENTS), f"usual_events: known are {', '.join(EVENTS)}"
    for body in ODD_BODIES:
        for headers in ODD_HEADERS:
            _check_delivery(kind, Delivery(headers=headers, body=body, at=NEW_YEAR_2026))


def _check_delivery(kind: Receives, delivery: Delivery) -> None:
    found: object = kind.read(delivery)
    assert isinstance(found, Accepted | Ignored | Refused), f"read must not return {found!r}"
    assert not isinstance(found, Accepted) or found.changes, "what is accepted has a change"
    try:
        proof: object = kind.verify(delivery)
    except Unresolved:  # the config's own reference
        return
    assert isinstance(proof, Verified | Ignored | Refused), f"verify must not return {proof!r}"
    if isinstance(proof, Verified):
        assert kind.is_unsigned, "a delivery without any proof must not be verified"


def _event(facts: Json) -> Event:
    return Event(
        id=EventId(1),
        trigger_id=TriggerId(1),
        accepted_at=NEW_YEAR_2026 + DAY,
        facts=dict(facts),
        actor="local:root",
    )
