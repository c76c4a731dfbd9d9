"""Who watches one server hears what another one does."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.postgres import own_server
from tests.web.server import running_server
from tests.web.test_streams import SITE, act, run_of, stream

pytestmark = pytest.mark.slow


def test_a_fire_at_another_server_is_told_and_its_log_followed() -> None:
    with (
        TemporaryDirectory(prefix="tf") as here,
        TemporaryDirectory(prefix="tf") as there,
        own_server() as database,
        running_server(Path(here), TINYFORGE_DATABASE=database.url) as one,
        running_server(Path(there), one.tokens, TINYFORGE_DATABASE=database.url) as other,
    ):
        act(one, "/manifest/apply", body={"source": "f.yaml", "text": SITE})
        with stream(one, "/stream") as told:
            ready = told.until("ready")
            run = run_of(act(other, "/triggers/told/fire"))
            told.until("event", trigger="told")
            told.until("run", id=run, state="succeeded")
            act(other, "/triggers/paused/pause")
            told.until("trigger", trigger="paused", paused=True)
        with stream(one, f"/runs/{run}/log/stream") as log:
            assert log.until("chunk").data["lines"] == ["one", "two"]
            log.until("end", state="succeeded")
        with stream(other, "/stream", last=ready.number) as elsewhere:
            elsewhere.next()
            assert elsewhere.names == ["reset"]
