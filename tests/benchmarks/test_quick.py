"""Every benchmark can still be run. How fast anything is, a test cannot say."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from benchmarks.__main__ import MACHINE, SUBJECTS, Report, main
from benchmarks.figures import Baseline, Figure
from benchmarks.table import BEGIN, END, is_met, markdown

BURST = Figure(
    what="burst",
    value=40_000,
    unit="fires/s",
    more_is_better=True,
    must=30_000,
    must_ratio=8,
    baselines=[Baseline(name="row by row", value=4_000)],
)


@pytest.mark.slow
@pytest.mark.timeout(900)  # seconds: several databases and whole servers are started
def test_every_subject_can_be_measured(tmp_path: Path) -> None:
    written, page = tmp_path / "figures.json", tmp_path / "speed.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    options = ["--json", str(written), "--markdown", str(page), "--dir", str(tmp_path)]

    assert main(["--smallest", *options]) == 0

    report = msgspec.json.decode(written.read_bytes(), type=Report)
    assert [measured.subject for measured in report.subjects] == list(SUBJECTS)
    for figure in report.figures:
        assert f"| {figure.what} |" in page.read_text()
        assert all(base.value > 0 for base in figure.baselines)
    assert sorted(tmp_path.iterdir()) == [written, page]  # the files measured are gone


def test_one_subject_is_measured_beside_the_disk(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"

    assert main(["idle", "--smallest", "--json", str(written), "--dir", str(tmp_path)]) == 0

    report = msgspec.json.decode(written.read_bytes(), type=Report)
    assert [measured.subject for measured in report.subjects] == [MACHINE, "idle"]


def test_a_must_counts_on_a_quick_disk() -> None:
    assert is_met(BURST, sync_ms=0.2)
    assert is_met(msgspec.structs.replace(BURST, value=29_000), sync_ms=0.2) is False


def test_on_a_slow_disk_the_must_is_a_ratio_to_the_plain_way() -> None:
    slow = msgspec.structs.replace(BURST, value=1_000)
    assert is_met(slow, sync_ms=2) is False
    plain = [Baseline(name="row by row", value=100)]
    assert is_met(msgspec.structs.replace(slow, baselines=plain), sync_ms=2)


def test_a_length_of_time_on_a_slow_disk_is_shown_and_not_judged() -> None:
    late = Figure(what="lateness", value=40, unit="ms", must=25)
    assert is_met(late, sync_ms=2) is None
    assert is_met(late, sync_ms=0.2) is False


def test_what_the_disk_has_no_part_in_is_judged_on_any() -> None:
    left = Figure(what="runs left over", value=1, unit="runs", must=0, disk_counts=False)
    assert is_met(left, sync_ms=9) is False


def test_less_is_better_unless_said_otherwise() -> None:
    quick = Figure(
        what="sweep", value=20, unit="µs", baselines=[Baseline(name="row by row", value=500)]
    )
    assert quick.ratio(quick.baselines[0]) == 25
    assert BURST.ratio(BURST.baselines[0]) == 10


def test_each_figure_is_a_line_of_the_page() -> None:
    lines = markdown([BURST], sync_ms=0.2).splitlines()
    assert lines[2] == (
        "| burst | 40,000 fires/s | ≥ 30,000 |  | row by row: 4,000 | 10 times | yes |"
    )


def test_a_page_without_a_place_for_the_table_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "other.md"
    page.write_text("nothing to replace\n")
    options = ["--smallest", "--dir", str(tmp_path), "--markdown", str(page)]

    assert main([MACHINE, *options]) == 1

    assert page.read_text() == "nothing to replace\n"
    assert f"put {BEGIN} and {END} where it belongs" in capsys.readouterr().err
