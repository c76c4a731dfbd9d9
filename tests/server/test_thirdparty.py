"""Kinds of somebody else, installed beside ours, in a server of that environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.server.place import Place, Server
from tinyforge.operations.views import ResultView

pytestmark = pytest.mark.slow

MANIFEST = """\
workloads:
  book: {{kind: note, path: "{notes}"}}
  thread: {{kind: note-in-thread, path: "{notes}"}}
  again: {{kind: command, command: [echo, again]}}
triggers:
  flood: {{kind: tide, harbour: Bremen}}
bindings:
  - {{trigger: flood, workload: book, match: {{at_least: 4}}}}
  - {{trigger: flood, workload: thread}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("thirdparty"))


@pytest.fixture
def place(folder: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(folder, capsys)


@pytest.fixture(scope="module")
def server(folder: Path, thirdparty_python: Path) -> Iterator[Server]:
    with Place(folder).serving(python=thirdparty_python, PYTHONPATH="") as server:
        yield server


def written(folder: Path) -> Path:
    Place(folder).write(MANIFEST.format(notes=folder / "notes.txt"))
    return folder


def by_workload(place: Place, *facts: str) -> dict[str, ResultView]:
    results = place.fire("trigger", "fire", "flood", *facts).results
    return {result.workload: result for result in results}


def until_done(place: Place, *results: ResultView) -> list[str]:
    """Wait for the runs of *results*; return what they noted in their logs."""
    runs = [result.run or "" for result in results]
    for run in runs:
        place.until_run_is("succeeded", run)
    return [line for run in runs for line in place.lines(run)]


def test_facts_that_match_deploy_by_both_kinds(place: Place, server: Server) -> None:
    notes = place.folder / "notes.txt"
    found = by_workload(place, "--fact-json", "metres=5")
    assert until_done(place, found["book"], found["thread"]) == [f"noted in {notes}"] * 2
    assert sorted(notes.read_text().splitlines()) == [
        f"note book {found['book'].run} 1",
        f"note-in-thread thread {found['thread'].run} 1",
    ]
    not_matched = by_workload(place, "--fact-json", "metres=3")
    assert not_matched["book"].outcome == "not_matched"
    assert not_matched["book"].reason == "3 is not at least 4 metres in Bremen"
    assert until_done(place, not_matched["thread"]) == [f"noted in {notes}"]
    ruleless = by_workload(place)
    assert until_done(place, ruleless["book"], ruleless["thread"]) == [f"noted in {notes}"] * 2
    assert len(notes.read_text().splitlines()) == 5
    (rule, *_) = server.said("EventsFannedOut", outcome="not_matched")
    assert rule["reason"] == not_matched["book"].reason


def test_mistakes_in_their_configs_are_found_with_ours(place: Place, server: Server) -> None:
    wrong = place.manifest.read_text().replace("harbour:", "harbor:").replace("at_least", "least")
    spoilt = place.folder / "spoilt.yaml"
    spoilt.write_text(wrong.replace("path:", "paht:", 1))
    refused = place.call("plan", str(spoilt))
    assert refused.code == 2
    for mistake in (
        "did you mean 'harbour'?",
        "did you mean 'path'?",
        "a rule is at_least: METRES",
    ):
        assert mistake in refused.err


def test_uninstalled_they_are_missed_by_name_and_ours_go_on(
    tmp_path: Path, thirdparty_python: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(written(tmp_path), capsys)
    with place.serving(python=thirdparty_python, PYTHONPATH="") as theirs:
        theirs.stop()
    with place.serving():
        said = place.call("doctor")
        assert said.code == 1
        assert "no trigger kind 'tide'" in said.out
        assert "no workload kind 'note'" in said.out
        assert [result.outcome for result in by_workload(place).values()] == ["unknown_kind"] * 2
        assert place.call("deploy", "again", "--wait").code == 0


def test_not_one_of_our_files_is_touched(thirdparty_python: Path) -> None:
    folder = thirdparty_python.parents[2]
    (wheel,) = folder.glob("wheels/tinyforge_server-*.whl")
    (site,) = folder.glob("env/lib/python3*/site-packages")
    with ZipFile(wheel) as ours:
        names = [name for name in ours.namelist() if name.startswith("tinyforge/")]
        assert all((site / name).read_bytes() == ours.read(name) for name in names)
    found = [path for path in (site / "tinyforge").rglob("*") if path.suffix not in {"", ".pyc"}]
    assert sorted(str(path.relative_to(site)) for path in found) == sorted(
        name for name in names if Path(name).suffix
    )
