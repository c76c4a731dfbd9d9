"""One match rule in a file of its own, as it would stand in a binding."""

from __future__ import annotations

from tinyforge.manifest.fields import named
from tinyforge.manifest.mistakes import Mistakes
from tinyforge.manifest.syntax import plain, read
from tinyforge.model import Json

EXAMPLE = "such as `branch: main`"


def read_rule(data: bytes | str, source: str) -> Json:
    """Return the rule: its keys, or `match` and `when` as a binding has them.

    Raise InvalidManifest with everything that is wrong with the file as YAML.
    """
    mistakes = Mistakes(source)
    root = read(data, mistakes)
    rule = plain(root)
    if rule is None:
        mistakes.add(1, "", f"nothing is in here; write the keys of a rule, {EXAMPLE}")
    elif not isinstance(rule, dict):
        mistakes.add(root.line, "", f"must be keys and values, not {named(root)}; {EXAMPLE}")
    elif "match" in rule:
        inner = rule.pop("match") or {}
        if isinstance(inner, dict):
            rule = {**inner, **rule}
        else:
            mistakes.add(root.line, "match", f"must be keys and values, {EXAMPLE}")
    if len(mistakes):
        raise mistakes.error()
    return rule if isinstance(rule, dict) else {}
