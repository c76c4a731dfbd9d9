"""Facts that a person gives with a fire."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import MsgspecError, json

from tinyforge.cli.failure import CalledWrongly
from tinyforge.model import Json


def read_facts(texts: Sequence[str], typed: Sequence[str]) -> Json | None:
    """Read `branch=main` as text and `count=3` as JSON; None when none was given."""
    facts: dict[str, object] = {}
    for given, flag in ((texts, "--fact"), (typed, "--fact-json")):
        for text in given:
            name, separator, value = text.partition("=")
            if not (name and separator):
                raise CalledWrongly(f"{flag} {text}: no NAME=VALUE; write {flag} branch=main")
            if name in facts:
                raise CalledWrongly(f"{flag} {text}: {name} is given twice; give it once")
            facts[name] = value if flag == "--fact" else _json(name, value)
    return facts or None


def _json(name: str, value: str) -> object:
    try:
        decoded: object = json.decode(value)
    except (MsgspecError, ValueError, RecursionError) as problem:
        raise CalledWrongly(
            f"--fact-json {name}: {value!r} is no JSON ({problem}); text needs quotes:"
            f" --fact-json '{name}=\"text\"', or --fact {name}=text"
        ) from None
    return decoded
