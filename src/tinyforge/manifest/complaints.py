"""What the YAML parser complains of, in words that say what to do."""

from __future__ import annotations

import re
from typing import NamedTuple

from yaml import MarkedYAMLError

DEEPEST = 64
TOO_DEEP = f"nested deeper than {DEEPEST}; make it flatter"
TAB = "a tab cannot indent; use spaces"
NEEDS_QUOTES = "a text that begins with {char} needs quotes around it"
INDENTATION = (
    "this does not continue what stands above; check the indentation,"
    " and put quotes around a whole text, not around a part of it"
)
COLON = "a colon cannot be here; put quotes around a text that holds `: `, or check the indentation"
OPEN_BRACKET = (
    "the list or mapping that begins on line {begun} is not closed;"
    " close it, or put quotes around a text in it that holds any of {{ }} [ ] ,"
)
# (a part of what the parser says, the characters it may stand on, what we say)
WORDS: tuple[tuple[str, str, str], ...] = (
    ("cannot start any token", "\t", TAB),
    ("cannot start any token", "", NEEDS_QUOTES),
    ("tab character that violates", "", TAB),
    ("expected alphabetic or numeric character", "", NEEDS_QUOTES),
    ("mapping values are not allowed", "", COLON),
    ("expected ',' or", "", OPEN_BRACKET),
    ("could not find expected ':'", "", "no colon follows this key; write `key: value`"),
    ("unexpected end of stream", "", "the quote that opens on line {begun} is never closed"),
    ("unexpected document indicator", "", "the quote that opens on line {begun} is never closed"),
    ("expected key", "", INDENTATION),
    ("expected '-' indicator", "", f"no item of a list begins here; {INDENTATION}"),
    ("expected node content", "", "a value is missing here"),
    ("expected <document start>", "", INDENTATION),
    ("block sequence entries are not", "", "a list begins on a line of its own, or write [a, b]"),
    ("Unicode character escape", "", "this escape is not a character; write the character itself"),
    ("unknown escape", "", r"write \\ for a backslash, or use single quotes"),
    ("incompatible YAML document", "", "remove the %YAML line; YAML 1.2 is read"),
    ("maximum nesting depth", "", TOO_DEEP),  # the newer parsers have a limit of their own
    ("tag", "", "tags (!…) are not used here; remove it, or put quotes around the text"),
    ("comment or line break", "", "after | or > the text begins on the next line"),
)
# where the parser stops is of no use here; show where it began
BEGUN = re.compile("scanning an? (anchor|alias|simple key)|unexpected (end|document)")


class Complaint(NamedTuple):
    line: int
    column: int
    what: str


def explain(problem: MarkedYAMLError, text: str) -> Complaint:
    """Return where in *text* the parser stopped, and what to do about it."""
    begun = problem.context_mark or problem.problem_mark
    mark = problem.problem_mark or begun
    if begun is None or mark is None:
        return Complaint(1, 1, f"{problem.problem}; check indentation and quotes")
    if BEGUN.search(f"{problem.context} {problem.problem}"):
        mark = begun
    char = text[mark.index : mark.index + 1]
    what = _words(problem.problem or "", char)
    said = what.format(char=char, begun=begun.line + 1)
    return Complaint(mark.line + 1, mark.column + 1, said)


def _words(problem: str, char: str) -> str:
    for part, chars, words in WORDS:
        if part in problem and (not chars or char in chars):
            return words
    said = problem.replace("{", "{{").replace("}", "}}")
    return f"{said}; check indentation and quotes"
