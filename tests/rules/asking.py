"""Rules, as the tests ask them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tinyforge.changes import Change
from tinyforge.kinds import Match
from tinyforge.model import Json
from tinyforge.rules import compile_rule
from tinyforge.testing.kinds import deploy_context

EVERY_KEY = frozenset(
    {"repository", "branch", "tag", "image", "paths", "paths_ignore", "skip_markers"}
)


def push(branch: str = "main", **fields: object) -> Change:
    return msgspec.convert({"event": "push", "branch": branch, **fields}, Change)


def tag(name: str, **fields: object) -> Change:
    return msgspec.convert({"event": "tag", "tag": name, **fields}, Change)


def facts(*changes: Change, payload: object = None) -> Json:
    return {"changes": [msgspec.to_builtins(change) for change in changes], "payload": payload}


def ask(
    rule: Json, *changes: Change, payload: object = None, usual: Iterable[str] = ("push",)
) -> Match:
    match = compile_rule(rule, EVERY_KEY, tuple(usual))
    return match(deploy_context(facts(*changes, payload=payload)).event)


def matches(rule: Json, *changes: Change, payload: object = None) -> bool:
    return ask(rule, *changes, payload=payload).deploy


def mistakes(rule: Json, fills: Iterable[str] = EVERY_KEY) -> list[str]:
    try:
        compile_rule(rule, frozenset(fills), ("push",))
    except ValueError as problem:
        return str(problem).splitlines()
    return []
