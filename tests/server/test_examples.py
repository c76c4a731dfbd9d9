"""Each example does on a real server what its comments say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.server.place import Place

pytestmark = pytest.mark.slow


def begun_with(place: Place, *words: str) -> str:
    """Write the example with `tinyforge init`, and return its text."""
    assert place.call.bare("init", str(place.manifest), *words).code == 0
    return place.manifest.read_text()


def changed(place: Place, old: str, new: str) -> None:
    """Edit the manifest as its reader would, and apply it."""
    text = place.manifest.read_text()
    assert old in text
    place.manifest.write_text(text.replace(old, new))


def planned_and_applied(place: Place) -> None:
    """Find nothing to change twice: before an apply of what is served, and after one."""
    assert place.call("plan", str(place.manifest), "--check").code == 0
    place.done("apply", str(place.manifest))
    assert place.call("plan", str(place.manifest), "--check").code == 0


def logs_of(place: Place, workload: str, count: int) -> list[str]:
    """Return all that so many runs of *workload* wrote."""
    runs = place.until_all_over(workload, count)
    return [line for run in runs for line in place.lines(run.id)]


def commented_commands(text: str) -> list[list[str]]:
    """Return the commands that comments tell to type."""
    found = re.findall(r"#.*?(tinyforge (?:[\w.-]+ ?)+)", text)
    return [command.split()[1:] for command in found]


def test_the_default_shows_date_and_disk_and_tells_of_trouble(place: Place) -> None:
    begun_with(place)
    with place.serving() as server:
        planned_and_applied(place)
        (date,) = logs_of(place, "show-date", 1)
        assert re.fullmatch(r"It is \d\d:\d\d on \w+", date), "`often` fires the first time at once"
        assert place.call("deploy", "show-disk", "--wait").code == 0
        fired = place.call("trigger", "fire", "nightly", "--wait")
        assert fired.code == 0
        assert "Filesystem" in fired.out
        changed(place, "[date, ", "[date, --no-such-option, ")
        server.reload()
        server.until_said("ManifestApplied", 3)
        failed = place.call("trigger", "fire", "often", "--wait")
        assert failed.code == 1
        (line,) = logs_of(place, "tell", 1)
        run = place.runs_of("show-date")[0].id
        assert line == f"show-date has failed, see: tinyforge run logs {run}"


def test_what_the_default_tells_to_type_works(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = begun_with(place)
    monkeypatch.chdir(place.folder)
    with place.serving():
        commands = commented_commands(text)
        assert len(commands) == 5
        for words in commands:
            place.done(*words)


def test_a_nightly_backup_is_made_checked_and_told_of_when_it_fails(
    place: Place, tmp_path: Path
) -> None:
    begun_with(place, "--example", "nightly-backup")
    kept, folder = tmp_path / "kept", tmp_path / "precious"
    folder.mkdir()
    (folder / "letter").write_text("Dear")
    (folder / "photo").write_text(":-)")
    changed(place, "$HOME/tinyforge-backups", str(kept))
    changed(place, "FOLDER: /etc/default", f"FOLDER: {folder}")
    with place.serving() as server:
        planned_and_applied(place)
        assert place.call("deploy", "backup", "--wait").code == 0
        (archive,) = kept.glob("*.tar.gz")
        assert logs_of(place, "check", 1) == [f"{archive.name} holds 3 files"]
        assert kept.stat().st_mode & 0o777 == 0o700
        fired = place.call("trigger", "fire", "nightly", "--wait")
        assert fired.code == 0
        assert len(logs_of(place, "check", 2)) == 2
        changed(place, f"FOLDER: {folder}", "FOLDER: /no/such/folder")
        changed(place, "backoff: 1m", "backoff: 1s")
        server.reload()
        server.until_said("ManifestApplied", 3)
        assert place.call("deploy", "backup", "--wait").code == 1
        failed = place.run(place.runs_of("backup")[0].id)
        assert [attempt.outcome for attempt in failed.attempts] == ["failed"] * 3
        (line,) = logs_of(place, "tell", 1)
        assert line == f"backup has failed, see: tinyforge run logs {failed.run.id}"
        assert list(kept.glob("*.tar.gz")) == [archive], "a failure spoils no good backup"


def test_a_ping_is_answered_and_its_silence_alerts(place: Place) -> None:
    begun_with(place, "--example", "ping-and-alert")
    port, nobodys = free_port(), free_port()
    changed(place, ":8270/", f":{port}/")
    changed(place, "backoff: 5s", "backoff: 1s")
    with place.serving(port=port) as server:
        planned_and_applied(place)
        logs_of(place, "ping", 1)
        assert place.call("deploy", "ping", "--wait").code == 0
        assert place.call("trigger", "fire", "by-hand", "--wait").code == 0
        assert place.runs_of("alert") == []
        changed(place, f":{port}/", f":{nobodys}/")
        server.reload()
        server.until_said("ManifestApplied", 3)
        fired = place.call("trigger", "fire", "by-hand", "--wait")
        assert fired.code == 1
        assert "could not be reached: Connection refused" in fired.out
        failed = place.run(place.runs_of("ping")[0].id)
        assert len(failed.attempts) == 3
        lines = logs_of(place, "alert", 1)
        assert f"ping has failed, see: tinyforge run logs {failed.run.id}" in lines


def test_the_push_of_an_image_is_taken_by_its_name_and_tag(place: Place) -> None:
    begun_with(place, "--example", "image-on-push")
    with place.serving():
        planned_and_applied(place)
        taken = place.call("trigger", "test", "image", "--fact", "image=ghcr.io/acme/app")
        assert taken.code == 0
        assert re.search(r"^image\.app +matched ", taken.out, re.MULTILINE)
        other = place.call("trigger", "test", "image", "--fact", "image=ghcr.io/acme/other")
        assert re.search(r"^image\.app +not_matched ", other.out, re.MULTILINE)
