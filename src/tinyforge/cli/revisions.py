"""The versions of a row's config."""

from __future__ import annotations

from collections.abc import Sequence

from tinyforge.cli.screen import Screen
from tinyforge.cli.tables import Column
from tinyforge.operations.views import RevisionView

COLUMNS = (Column("REVISION SINCE", whole=True), Column("BY"), Column("CONFIG"))


def show_revisions(out: Screen, revisions: Sequence[RevisionView]) -> None:
    if revisions:
        out.line()
    out.table(COLUMNS, ((out.when(one.since), one.author, one.text) for one in revisions))
