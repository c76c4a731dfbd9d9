from __future__ import annotations

import pytest

from tinyforge import errors
from tinyforge.errors import (
    Conflict,
    Crowded,
    DataInUse,
    DeployFailed,
    InvalidConfig,
    InvalidManifest,
    InvalidSettings,
    MatchFailed,
    NewerSchema,
    NotFound,
    OutboundFailed,
    Outdated,
    Refused,
    Reused,
    SealFailed,
    StoreUnavailable,
    TinyforgeError,
    Unconditional,
    UnknownKind,
)
from tinyforge.web.problems import STATUS, of_error

NEVER_ASKED = (DeployFailed, MatchFailed, OutboundFailed)
OURS = {SealFailed, *SealFailed.__subclasses__()}  # whatever was asked: 500
BEFORE_ANY_REQUEST = {NewerSchema, InvalidSettings}
SAID = {
    NotFound("trigger", "oftn", "often"): (404, "tinyforge trigger list"),
    Conflict("it moved"): (409, "once more"),
    Refused("no", "do this"): (409, "do this"),
    Outdated("it moved", "read it again"): (412, "read it again"),
    Unconditional("it is there", "send If-Match"): (428, "send If-Match"),
    Reused("another body", "a new key"): (422, "a new key"),
    Crowded("100 streams", "close one"): (429, "close one"),
    DataInUse("/data"): (409, ""),
    InvalidConfig("schedule", "too short", "interval"): (422, "tinyforge doctor"),
    InvalidManifest(("f:1: a: b; c",), "f"): (422, "tinyforge plan f"),
    UnknownKind("trigger", "x", ("y",)): (422, "tinyforge doctor"),
    StoreUnavailable("disk full"): (503, "tinyforge doctor"),
}


@pytest.mark.parametrize("error", list(SAID), ids=lambda error: type(error).__name__)
def test_every_error_has_its_status_its_words_and_a_fix(error: TinyforgeError) -> None:
    status, fix = SAID[error]
    shown = of_error(error)
    assert shown.status == status
    assert shown.detail
    assert fix in shown.fix


def test_no_error_is_left_out_of_the_table() -> None:
    everything = {
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, TinyforgeError)
    }
    only_in_runs = {found for found in everything if issubclass(found, NEVER_ASKED)}
    assert everything - BEFORE_ANY_REQUEST - OURS - only_in_runs - {TinyforgeError} == set(STATUS)


def test_a_refusal_gives_its_fix_apart_from_its_problem() -> None:
    shown = of_error(Refused("that cannot be", "do this"))
    assert (shown.detail, shown.fix) == ("that cannot be", "do this")
