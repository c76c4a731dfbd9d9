"""The manifest that a server is started with: at the start, on SIGHUP, with mistakes, and gone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.server.place import Place, Server

pytestmark = pytest.mark.slow

GOOD = """\
workloads:
  site: {kind: command, command: ["true"]}
triggers:
  often: {kind: schedule, interval: 10s}
bindings:
  - {trigger: often, workload: site}
"""
MORE = """\
workloads:
  site: {kind: command, command: ["true"]}
  shop: {kind: command, command: ["true"]}
triggers:
  often: {kind: schedule, interval: 1h}
  new: {kind: schedule, interval: 1h}
bindings:
  - {trigger: new, workload: shop}
"""
WRONG = """\
workloads:
  site: {kind: comand, command: ["true"]}
triggers:
  often: {kind: schedule, intervall: 1h}
"""


def with_mistakes(place: Place) -> None:
    place.write(WRONG)


def gone(place: Place) -> None:
    place.manifest.unlink(missing_ok=True)


def no_text(place: Place) -> None:
    place.manifest.write_bytes(b"version: 1\n\xff\n")


def a_folder(place: Place) -> None:
    gone(place)
    place.manifest.mkdir()


SPOILT: dict[Callable[[Place], None], tuple[str, ...]] = {
    with_mistakes: ("did you mean 'command'?", "did you mean 'interval'?"),
    no_text: ("tinyforge.yaml:2: the byte 0xff is not UTF-8; save the file as UTF-8 text",),
    gone: ("tinyforge.yaml: cannot be read: No such file or directory; mend --config",),
    a_folder: ("tinyforge.yaml: cannot be read: Is a directory; mend --config",),
}


def told_everywhere(place: Place, server: Server, mistakes: tuple[str, ...]) -> bool:
    """Say whether the log, the metrics and `doctor` name all of them."""
    line, doctor = server.said("ManifestRefused")[-1], place.call("doctor")
    said = line["mistakes"]
    assert isinstance(said, list)
    return (
        all(mistake in str(said) and mistake in doctor.out for mistake in mistakes)
        and server.metric("manifest_mistakes") == len(said)
        and doctor.code == 1
    )


def test_it_is_applied_before_the_first_sweep_and_anew_on_a_signal(place: Place) -> None:
    place.write(GOOD)
    with place.serving() as server:
        told = [line["happening"] for line in server.log()]
        first = [told.index(one) for one in ("ManifestApplied", "SchedulesFired", "Started")]
        assert first == sorted(first)
        assert server.said("ManifestApplied")[0]["changes"] == 3
        place.write(MORE)
        server.reload()
        server.until_said("SchedulesFired", trigger="new")
        assert len(place.until_all_over("shop", 1)) == 1
        server.reload()
        assert server.until_said("ManifestApplied", 3)[-1]["changes"] == 0


def test_spoilt_in_any_way_the_schedules_go_on(place: Place) -> None:
    place.write(GOOD)
    with place.serving() as server:
        for count, (spoil, mistakes) in enumerate(SPOILT.items(), 1):
            spoil(place)
            server.reload()
            server.until_said("ManifestRefused", count)
            told = partial(told_everywhere, place, server, mistakes)
            server.until(told, f"{mistakes} is told everywhere")
        assert server.metric("manifests_refused_total") == len(SPOILT)
        server.until_said("SchedulesFired", 2, trigger="often")
        server.stop()
    with place.serving() as server:
        server.until_said("ManifestRefused", len(SPOILT) + 1)
        assert told_everywhere(place, server, SPOILT[a_folder])
        assert place.call("deploy", "site", "--wait").code == 0


def test_once_mended_nothing_is_left_of_its_mistakes(place: Place) -> None:
    place.write(GOOD)
    with place.serving() as server:
        place.write(WRONG)
        server.reload()
        server.until_said("ManifestRefused")
        place.write(MORE)
        server.reload()
        server.until_said("ManifestApplied", 2)
        server.until(lambda: place.call("doctor").code == 0, "doctor finds nothing")
        assert server.metric("manifest_mistakes") == 0


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_where_nothing_was_ever_applied_it_does_not_start(
    place: Place, spoil: Callable[[Place], None]
) -> None:
    spoil(place)
    said = place.refused()
    assert all(f"{place.manifest}" in said and mistake in said for mistake in SPOILT[spoil])


def test_with_strict_it_does_not_start_whatever_was_applied(place: Place) -> None:
    place.write(GOOD)
    with place.serving("--strict") as server:
        place.write(WRONG)
        server.reload()
        server.until_said("ManifestRefused")
        assert place.call("deploy", "site", "--wait").code == 0, "it was started, and goes on"
        server.stop()
    gone(place)
    assert SPOILT[gone][0] in place.refused("--strict")
