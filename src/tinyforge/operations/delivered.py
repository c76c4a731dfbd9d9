"""Deliveries as people see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyforge.operations.views import EventDetail, ResultView, View


class ReplayRequest(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    dry_run: bool = False  # say what would be decided, and queue nothing


class DeliveryView(View, frozen=True, kw_only=True):
    id: str
    trigger: str
    received_at: str
    taken: str  # accepted, ignored, disabled, duplicate or conflict
    reason: str = ""
    sender_id: str = ""  # the sender's own id of it; empty: it sent none
    event: str | None = None  # the event that it is, or belongs to
    size: int  # bytes of its body
    source: str = ""  # the address that it came from


class EarlierView(View, frozen=True, kw_only=True):
    """What was decided before it was decided anew."""

    decided_at: str
    taken: str
    reason: str = ""
    results: Sequence[ResultView] = ()


class DeliveryDetail(View, frozen=True, kw_only=True):
    """*body* is its first MiB as text; None: it is kept no longer."""

    delivery: DeliveryView
    proof: str  # in a few words
    digest: str  # SHA-256 of the body, in hex
    headers: Mapping[str, str]  # `***` stands for what proved something
    body: str | None
    body_cut: bool = False
    event: EventDetail | None = None
    earlier: Sequence[EarlierView] = ()  # oldest first
    next_command: str = ""
