from __future__ import annotations

import pytest

from tinyforge.kinds import EndedRun
from tinyforge.testing.kinds import deploy_context
from tinyforge.triggers.run import RunEnded


def ended(workload: str, state: str) -> EndedRun:
    return EndedRun(workload=workload, state=state, run="run_0000000000001")


def test_without_more_it_follows_failed_runs_of_the_workloads_it_names() -> None:
    kind = RunEnded(workloads=("site", "ping"))

    assert kind.follows(ended("site", "failed"))
    assert kind.follows(ended("ping", "failed"))
    assert not kind.follows(ended("other", "failed"))
    assert not kind.follows(ended("site", "succeeded"))


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "interrupted"])
def test_it_follows_the_ends_it_names_and_no_other(state: str) -> None:
    kind = RunEnded(workloads=("site",), on=(state,))  # type: ignore[arg-type] - each in turn

    followed = [
        one
        for one in ("succeeded", "failed", "cancelled", "interrupted")
        if kind.follows(ended("site", one))
    ]

    assert followed == [state]


def test_a_rule_is_held_against_workload_state_run_and_trigger() -> None:
    match = RunEnded(workloads=("site",)).matcher(
        {"state": "failed", "trigger": ["nightly", "often"]}
    )
    facts = {"workload": "site", "state": "failed", "run": "run_1", "trigger": "often"}

    assert match(deploy_context(facts).event).deploy
    assert not match(deploy_context(facts | {"trigger": "push"}).event).deploy


def test_a_rule_about_anything_else_is_refused_with_what_there_is() -> None:
    with pytest.raises(
        ValueError, match="branch: no such fact; a run has workload, state, run, trigger"
    ):
        RunEnded(workloads=("site",)).matcher({"branch": "main"})
