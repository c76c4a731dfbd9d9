"""`{a,b}` in a pattern: the patterns that it stands for."""

from __future__ import annotations

from itertools import pairwise

MOST = 64  # patterns that one may stand for


def alternatives(text: str) -> list[str]:
    """Return *text* once for each choice of its braces; those without a comma stand as they are."""
    done, open_ = [], [text]
    while open_:
        line = open_.pop()
        choices = _first(line)
        if choices is None:
            done.append(line)
        else:
            open_ += reversed(choices)
        if len(done) + len(open_) > MOST:
            raise ValueError(f"its braces stand for more than {MOST} patterns; write a list")
    return done


def _first(text: str) -> list[str] | None:
    """Return what the first braces with a comma stand for."""
    begins: list[list[int]] = []  # of braces that are open: where they and their commas are
    found: list[int] | None = None
    place = 0
    while place < len(text) and found is None:
        match text[place]:
            case "\\":
                place += 1
            case "[":
                place = _past_class(text, place)
            case "{":
                begins.append([place])
            case "," if begins:
                begins[-1].append(place)
            case "}" if begins:
                commas = begins.pop()
                found = [*commas, place] if len(commas) > 1 else None
            case _:
                pass
        place += 1
    if found is None:
        return None
    head, tail = text[: found[0]], text[found[-1] + 1 :]
    return [head + text[begin + 1 : end] + tail for begin, end in pairwise(found)]


def _past_class(text: str, place: int) -> int:
    """Return where the class that begins at *place* ends, or *place* where it never does."""
    begin = place + 1 + (text[place + 1 : place + 2] in {"!", "^"})
    end = text.find("]", begin + 1)
    return place if end < 0 else end
