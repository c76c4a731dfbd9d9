"""The published checks on every built-in kind, and on kinds that break the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from tests.kinds.broken_kinds import Melted, Tomorrow
from tinyforge.deliveries import Accepted, Change, Delivery, Receives, Verified
from tinyforge.kinds import MATCHED, DeployContext, Match, Matcher, TriggerKind, WorkloadKind
from tinyforge.model import Event, Json
from tinyforge.testing.kinds import (
    Written,
    check_cancellation,
    check_trigger_kind,
    check_workload_kind,
    deploy_context,
)
from tinyforge.triggers.manual import Manual
from tinyforge.triggers.run import RunEnded
from tinyforge.triggers.schedule import Schedule
from tinyforge.workloads.command import Command
from tinyforge.workloads.http import Http


def test_manual() -> None:
    check_trigger_kind(
        Manual,
        good=[{}],
        bad=[{"interval": "5m"}],
        rules=[{}, {"branch": "main"}, {"branch": ["main", "next"], "count": 3}],
    )


def test_run() -> None:
    check_trigger_kind(
        RunEnded,
        good=[
            {"workloads": ["site"]},
            {"workloads": ["site", "ping"], "on": ["failed", "cancelled"]},
        ],
        bad=[
            {},
            {"workloads": []},
            {"workloads": "site"},
            {"workloads": ["Not a name"]},
            {"workloads": ["site"], "on": []},
            {"workloads": ["site"], "on": ["superseded"]},
        ],
        rules=[
            {},
            {"state": ["failed"]},
            {"workload": "site", "trigger": "nightly", "run": "run_1"},
        ],
        bad_rules=[{"branch": "main"}],
    )


def test_schedule() -> None:
    check_trigger_kind(
        Schedule,
        good=[{"interval": "10m"}, {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}],
        bad=[
            {},
            {"interval": "1s"},
            {"cron": "* * * * *", "interval": "10m"},
            {"cron": "61 * * * *"},
        ],
    )


def test_command() -> None:
    check_workload_kind(
        Command,
        good=[
            {"command": ["true"]},
            {
                "command": ["./deploy.sh", "site"],
                "cwd": "/srv/site",
                "env": {"BRANCH": {"event": "/branch"}, "MODE": "full"},
                "inherit": ["SSH_AUTH_SOCK"],
                "user": "nobody",
                "stop_grace": "10s",
            },
        ],
        bad=[{}, {"command": []}, {"command": "true"}, {"command": ["a"], "inherit": ["A B"]}],
    )


def test_http() -> None:
    check_workload_kind(
        Http,
        good=[
            {"url": "http://127.0.0.1/"},
            {
                "url": "https://example.org/hook",
                "method": "PUT",
                "headers": {"X-Branch": {"event": "/branch"}, "X-Token": "${env:TOKEN}"},
                "body": {"branch": {"event": "/branch"}, "list": [1, None, True]},
                "expect": [200, 202],
            },
        ],
        bad=[{}, {"url": "example.org"}, {"url": "http://a/", "expect": "2xx"}],
    )


class Unmoved(WorkloadKind):
    """Takes no notice of a cancellation."""

    async def deploy(self, context: DeployContext) -> None:
        import asyncio  # noqa: PLC0415 - this kind is bad in every way

        context.log.write("begun")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return


@dataclass(frozen=True, kw_only=True)
class Moody(TriggerKind):
    """Matches every second time."""

    def matcher(self, rule: Json) -> Matcher:
        moods = iter([True, False] * 100)
        return lambda _: Match(next(moods), "a mood")


@dataclass(frozen=True, kw_only=True)
class Touchy(TriggerKind):
    """Cannot bear a branch that is no text."""

    def matcher(self, rule: Json) -> Matcher:
        def match(event: Event) -> Match:
            assert isinstance(event.facts.get("branch", ""), str)
            return MATCHED

        return match


@dataclass(frozen=True, kw_only=True)
class Greedy(WorkloadKind):
    """Takes a key that every row has."""

    idempotent: ClassVar[bool] = True
    timeout: str = "5m"

    async def deploy(self, context: DeployContext) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class Credulous(Receives):
    """Believes everybody."""

    fills: ClassVar[frozenset[str]] = frozenset({"branch"})
    usual_events: ClassVar[tuple[str, ...]] = ("push",)

    def verify(self, delivery: Delivery) -> Verified:
        return Verified(secret=0)

    def read(self, delivery: Delivery) -> Accepted:
        return Accepted(changes=[Change(event="push")])


@dataclass(frozen=True, kw_only=True)
class Fragile(Credulous):
    """Says that it proves nothing, and breaks on what it does not know."""

    @property
    def is_unsigned(self) -> bool:
        return True

    def read(self, delivery: Delivery) -> Accepted:
        assert delivery.body.startswith(b"{")
        return super().read(delivery)


@pytest.mark.parametrize("kind", [Moody, Touchy, Melted, Tomorrow, Credulous, Fragile])
def test_the_checks_find_a_trigger_kind_that_breaks_the_contract(kind: type[TriggerKind]) -> None:
    with pytest.raises(AssertionError):
        check_trigger_kind(kind, good=[{}])


def test_the_checks_find_a_workload_kind_that_takes_a_common_key() -> None:
    with pytest.raises(AssertionError, match="timeout"):
        check_workload_kind(Greedy, good=[{}])


async def test_the_checks_find_a_deploy_that_swallows_its_cancellation() -> None:
    log = Written()

    with pytest.raises(AssertionError, match="let the cancellation through"):
        await check_cancellation(Unmoved(), deploy_context(log=log), lambda: bool(log.lines))
