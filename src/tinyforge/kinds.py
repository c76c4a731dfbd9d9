"""The plugin contract.

A kind is a frozen dataclass: its fields are the config, its methods the behaviour. It is found by
the name of its entry point in `tinyforge.triggers` or `tinyforge.workloads`. A `__post_init__` that
raises ValueError refuses a config; begin the text with the field's name and a colon.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar, Protocol, TypeAlias

from msgspec import Meta, Struct

from tinyforge.model import Event, Json

API = 1
LONGEST_SHOWN = 100  # of a fact or a rule, in a reason
# Annotates a field that holds a secret, as `Annotated[str, SECRET]`: what is typed into it is kept
# encrypted, the kind finds a reference in its place, and it is shown nowhere.
SECRET = Meta(extra={"secret": True})


class Match(Struct, frozen=True):
    deploy: bool
    reason: str
    change: int | None = None  # of an event with changes: the place of the one to deploy


MATCHED = Match(True, "matched")
Matcher: TypeAlias = Callable[[Event], Match]


class TriggerKind:
    """Something that happens. Only the built-in `schedule` has windows.

    Any trigger can be fired by hand, with facts or without.
    """

    api: ClassVar[int] = API

    def matcher(self, rule: Json) -> Matcher:
        """Compile *rule*; raise ValueError where it makes no sense.

        The result is called once for each event and binding and must be quick and pure. By default
        each key of the rule must equal the event's fact of that name; a list means any of it.
        """
        if "when" in rule:
            raise ValueError("when: only triggers that receive webhooks take it; use match")
        return lambda event: match_facts(rule, event.facts)


def match_facts(rule: Json, facts: Json) -> Match:
    for key, wanted in rule.items():
        found = facts.get(key)
        if found not in (wanted if isinstance(wanted, list | tuple) else [wanted]):
            return Match(False, f"{key} is {_brief(found)}, not {_brief(wanted)}")
    return MATCHED


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


class EndedRun(Struct, frozen=True, kw_only=True):
    workload: str
    state: str  # succeeded, failed, cancelled or interrupted
    run: str  # its id as people see it


class FollowsRuns(TriggerKind, ABC):
    """Fires because a run ended."""

    @abstractmethod
    def follows(self, ended: EndedRun) -> bool:
        """Say whether this end is an event of the trigger. Quick and pure."""


class RunLog(Protocol):
    def write(self, line: str) -> None:
        """Store one line, at most 16 KiB of it, at once visible to those who follow the run."""
        ...


class DeployContext(Struct, frozen=True, kw_only=True):
    """Grows by adding fields; a kind that ignores the new ones keeps working."""

    run: str  # ids as people see them: run_…
    attempt: int  # 1, 2, …
    workload: str
    trigger: str
    trigger_kind: str
    event_id: str  # evt_…
    event: Event
    log: RunLog


class WorkloadKind(ABC):
    """Something that can be deployed or refreshed."""

    api: ClassVar[int] = API
    idempotent: ClassVar[bool] = (
        False  # True: run again, with the same run id, when its worker died
    )

    @abstractmethod
    def deploy(self, context: DeployContext) -> Awaitable[None] | None:
        """Return when done; raise DeployFailed to fail. A plain `def` runs in a thread.

        An `async def` is cancelled at the run's timeout, when somebody cancels the run and when the
        server stops; it must end what it began before it lets the cancellation through.
        """

    @classmethod  # noqa: B027 - most kinds leave nothing behind
    def reap(cls, runs: frozenset[str]) -> None:
        """End what a server that died left running of these *runs* (ids as people see them)."""
