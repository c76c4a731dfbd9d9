"""The page about webhook endpoints has every answer that a sender may get."""

from __future__ import annotations

from collections.abc import Iterator

from tests.docs.tables import CELLS, codes, page
from tinyforge.engine.inbox import Reception, Told
from tinyforge.model import EventId
from tinyforge.web import replies


def described() -> Iterator[tuple[int, str]]:
    for line in page("reference/webhooks.md").splitlines():
        cells = CELLS.split(line)
        if len(cells) > 3 and cells[1].strip().isdigit():
            yield int(cells[1]), "".join(codes(cells[2]))


def test_every_outcome_is_described_with_its_status() -> None:
    given = {
        (replies.told(Reception(told=one, event_id=EventId(1))).status, one.value)
        for one in Told
        if one is not Told.REFUSED
    }
    assert {(status, outcome) for status, outcome in described() if outcome} == given


def test_every_refusal_is_described() -> None:
    ours = [replies.NOT_POST, replies.UNKNOWN, replies.ENCODED]
    made = [replies.later(""), replies.too_often(1), replies.too_large(1, was_read=True)]
    of_kinds = {400, 401, 415}  # what `Refused` may hold
    refused = {reply.status for reply in (*ours, *made)} | of_kinds
    assert {status for status, outcome in described() if not outcome} == refused
