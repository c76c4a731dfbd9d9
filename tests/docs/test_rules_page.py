"""The page about match rules names every key, and what it shows is taken."""

from __future__ import annotations

import re

import yaml

from tests.docs.tables import codes, page, rows, section
from tinyforge.changes import EVENTS
from tinyforge.rules import compile_rule
from tinyforge.rules.keys import KEYS
from tinyforge.rules.versions import Range, is_range
from tinyforge.triggers.ghcr import Ghcr
from tinyforge.triggers.github import GitHub

PAGE = page("reference/rules.md")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE)


def test_every_key_and_every_event_is_described() -> None:
    described = rows(section(f"\n{PAGE}", "# Match rules"))
    assert set(KEYS) <= described.keys()
    assert set(EVENTS) <= set(codes(described["events"][0]))


def test_the_bindings_that_it_shows_are_taken() -> None:
    (text,) = (text for language, text in BLOCKS if language == "yaml")
    for binding in yaml.safe_load(text)["bindings"]:
        kind = Ghcr if binding["trigger"] == "image" else GitHub
        rule = dict(binding["match"])
        if "when" in binding:
            rule["when"] = binding["when"]
        compile_rule(rule, kind.fills, kind.usual_events)


def test_the_expressions_that_it_shows_are_taken() -> None:
    (text,) = (text for language, text in BLOCKS if not language)
    for line in text.splitlines():
        compile_rule({"when": line}, (), ["push"])


def test_the_ranges_that_it_shows_are_ranges() -> None:
    shown = [one for one in codes(section(PAGE, "## Ranges of versions")) if is_range(one)]
    ranges = [one for one in shown if re.search(r"\d", one)]
    assert len(ranges) > 5
    for text in ranges:
        Range(text)
