"""What `doctor` says of servers that share a database: right, and short enough for a screen."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tinyforge.clock import DAY, MINUTE, SECOND
from tinyforge.labels import Labels, labels, read_labels, show_labels
from tinyforge.model import Workload, WorkloadId
from tinyforge.operations.answers import CheckView
from tinyforge.operations.placement import Obstacle, obstacle
from tinyforge.operations.sharing import clocks, places, replica_view, strains, versions
from tinyforge.store.port import Abilities, LongTransaction, Replica, Strain, TableRows

COLUMNS = 80


def replica(number: int = 0, *carried: str, version: str = "1.0", off: int = 0) -> Replica:
    given = Abilities(
        labels=labels(carried),
        trigger_kinds=frozenset({"schedule"}),
        workload_kinds=frozenset({"command"}),
    )
    return Replica(
        number=number,
        instance=number + 1,
        version=version,
        started_at=0,
        abilities=given,
        clock_off=off,
    )


def older(number: int) -> Replica:
    """Return a server whose program says nothing of itself."""
    return Replica(number=number, instance=number + 1, version="0.9", started_at=0, abilities=None)


def workload(name: str = "site", on: Labels = (), kind: str = "command") -> Workload:
    return Workload(id=WorkloadId(1), name=name, kind=kind, config={}, on=on)


def fits(checks: Sequence[CheckView]) -> bool:
    """Say whether each line stands on one line of a terminal."""
    lines = [f"{one.verdict:<6}{one.name}: {one.what}" for one in checks]
    lines += [f"      fix: {one.fix}" for one in checks]
    return max(map(len, lines)) <= COLUMNS


@pytest.mark.parametrize("count", [1, 3, 50])
def test_servers_of_one_version_are_counted(count: int) -> None:
    (check,) = checks = list(versions([replica(number) for number in range(count)]))
    assert (check.verdict, fits(checks)) == ("ok", True)
    assert check.what.startswith(f"{count} server")


@pytest.mark.parametrize("count", [3, 50])
def test_an_upgrade_under_way_is_said(count: int) -> None:
    found = [replica(number, version="0.10.0") for number in range(1, count)]
    (check,) = checks = list(versions([replica(version="0.11.0"), *found]))
    assert (check.verdict, fits(checks)) == ("warn", True)
    assert check.what == f"{count} servers live: {count - 1} of 0.10.0, 1 of 0.11.0"


@pytest.mark.parametrize("count", [1, 3, 50])
def test_the_clock_that_is_furthest_off_is_named(count: int) -> None:
    found = [replica(number, off=-number * SECOND // 50) for number in range(count)]
    assert [check.verdict for check in clocks(found)] == ["ok"]
    (check,) = checks = list(clocks([*found, replica(511, off=-DAY)]))
    assert (check.verdict, fits(checks)) == ("warn", True)
    assert check.what == "that of server 511 is 1 d behind the database's"


def test_a_server_on_a_file_has_no_other_clock() -> None:
    assert list(clocks([older(0)])) == []


def test_a_transaction_that_does_not_end_is_named_with_its_end() -> None:
    oldest = LongTransaction(12 * MINUTE + 5 * SECOND, 1_234_567, "idle in transaction")
    (check, *_) = checks = list(strains(Strain(oldest_transaction=oldest)))
    assert (check.verdict, fits(checks)) == ("warn", True)
    assert "pg_terminate_backend(1234567)" in check.fix


def test_dead_rows_are_warned_of_where_they_are_most() -> None:
    rows = {"runs": TableRows(1_000_000, 1_200_000), "events": TableRows(9, 50_000)}
    checks = list(strains(Strain(rows=rows)))
    verdicts = {check.name: check.verdict for check in checks}
    assert verdicts == {"transactions": "ok", "rows of events": "ok", "rows of runs": "warn"}
    assert fits(checks)


def test_a_file_suffers_from_nothing_of_it() -> None:
    assert list(strains(Strain())) == []


def test_what_nobody_carries_is_named_with_the_server_that_would() -> None:
    asked = workload(on=("disk=ssd", "host=web1"))
    found = [replica(0, "host=web1"), replica(1, "disk=ssd")]
    assert obstacle(asked, found) == Obstacle(
        "no server that lives carries disk=ssd and host=web1",
        "tinyforge serve --label disk=ssd --label host=web1",
    )
    assert obstacle(asked, [*found, replica(2, "host=web1", "disk=ssd", "zone=a")]) is None


def test_a_kind_that_is_not_known_where_the_labels_are_is_named() -> None:
    asked = workload(on=("host=web1",), kind="container")
    assert obstacle(asked, [replica(0, "host=web1"), replica(1)]) == Obstacle(
        "no server that carries host=web1 knows the workload kind 'container'", "tinyforge doctor"
    )
    assert obstacle(workload(kind="container"), [replica()]) == Obstacle(
        "no server that lives knows the workload kind 'container'", "tinyforge doctor"
    )


def test_an_older_program_takes_whatever_there_is() -> None:
    assert obstacle(workload(on=("host=web1",), kind="container"), [older(0)]) is None


def test_where_no_server_is_known_nothing_is_said_of_places() -> None:
    assert obstacle(workload(on=("host=web1",)), []) is None


def test_many_workloads_without_a_place_are_named_in_part() -> None:
    asking = [workload(f"site-{number}", on=("host=web1",)) for number in range(25)]
    checks = list(places(asking, [replica()]))
    assert (len(checks), fits(checks)) == (21, True)
    assert checks[-1].what == "5 more workloads ask for a place that no server is"


def test_a_server_is_shown_with_what_it_may_be_given() -> None:
    view = replica_view(replica(7, "host=web1", off=3))
    assert (view.number, view.labels, view.clock_off_us) == (7, ("host=web1",), 3)
    assert (view.trigger_kinds, view.workload_kinds) == (["schedule"], ["command"])
    assert replica_view(older(1)).workload_kinds is None


@pytest.mark.parametrize("text", ["", "host=web1", "host=web1, disk=ssd", "a=1,b=2 , c=3,"])
def test_labels_come_back_as_they_were(text: str) -> None:
    found = read_labels(text)
    assert read_labels(show_labels(found)) == found == tuple(sorted(found))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("web1", "'web1' is no label; write KEY=VALUE such as host=web1"),
        ("host=", "is no label"),
        ("Host=web1", "is no label"),
        ("host=a=b", "is no label"),
        (f"host={'a' * 64}", "is no label"),
        ("host=a,host=b", "host is given twice, as host=a and host=b; keep one of them"),
        (",".join(f"k{n}=v" for n in range(17)), "17 labels are too many; write at most 16"),
    ],
)
def test_a_label_that_makes_no_sense_is_refused_with_its_fix(text: str, mistake: str) -> None:
    with pytest.raises(ValueError, match=r"label|twice") as refused:
        read_labels(text)
    assert mistake in str(refused.value)
