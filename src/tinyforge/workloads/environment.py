"""What a command is told: an environment built from empty, and a file with everything."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tinyforge.clock import Micros, Moment, rfc3339
from tinyforge.errors import DeployFailed
from tinyforge.kinds import DeployContext
from tinyforge.workloads.account import Account
from tinyforge.workloads.facts import as_text

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OURS = "TINYFORGE_"
RUN_ID = "TINYFORGE_RUN_ID"
EVENT_FILE = "TINYFORGE_EVENT_FILE"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MILLISECOND: Micros = 1_000
TOLD = ("repository", "ref", "branch", "tag", "commit", "previous", "pusher", "image", "digest")

# Names that change what is run, or where it connects: nothing from outside may fill them.
STEERING = re.compile(
    r"(LD|DYLD|GLIBC|GCONV|NODE|NPM|GIT|SSH|SUDO|DOCKER|COMPOSE|_?JAVA|JDK|CARGO|BUNDLE|GEM|BASH|XDG"
    r"|LUA|LC|TINYFORGE)_\w*|(PYTHON|PERL|RUBY|PHP|PROMPT_COMMAND)\w*|\w+_PROXY|PS[0-4]|SSL_CERT_\w+"
    r"|PATH|IFS|ENV|CDPATH|SHELL|SHELLOPTS|BASHOPTS|HOME|USER|LOGNAME|TMPDIR|TERM|TERMINFO|EDITOR"
    r"|VISUAL|PAGER|MANPAGER|LESSOPEN|LESSCLOSE|BROWSER|LOCPATH|NLSPATH|LANG|LANGUAGE|HOSTALIASES"
    r"|RES_OPTIONS|LOCALDOMAIN|CLASSPATH|GOFLAGS|GOPATH|GOROOT|GOPROXY|RUSTFLAGS|ZDOTDIR|KUBECONFIG"
    r"|OPENSSL_CONF|CURL_HOME|WGETRC",
    re.IGNORECASE,
)


def may_hold_a_fact(name: str) -> bool:
    return STEERING.fullmatch(name) is None


def environment(account: Account, context: DeployContext) -> tuple[dict[str, str], list[str]]:
    """Return what every command is told, and a note about each fact that could not be."""
    built = {
        "PATH": PATH,
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": account.shell,
        "LANG": "C.UTF-8",
        RUN_ID: context.run,
        f"{OURS}ATTEMPT": str(context.attempt),
        f"{OURS}WORKLOAD": context.workload,
        f"{OURS}TRIGGER": context.trigger,
        f"{OURS}EVENT_ID": context.event_id,
        f"{OURS}EVENT_KIND": context.trigger_kind,
        **_window(context),
    }
    told = {f"{OURS}EVENT_{fact.upper()}": context.event.facts.get(fact) for fact in TOLD}
    texts, notes = as_texts(told)
    return built | texts, notes


def as_texts(values: Mapping[str, object]) -> tuple[dict[str, str], list[str]]:
    """Return the values that a variable may hold, and a note about each one that it may not."""
    texts: dict[str, str] = {}
    notes: list[str] = []
    for name, value in values.items():
        try:
            text = as_text(value)
        except ValueError as problem:
            notes.append(f"{name} is not set: the fact {problem}; it is in ${EVENT_FILE}")
            continue
        if text is not None:
            texts[name] = text
    return texts, notes


def _window(context: DeployContext) -> Mapping[str, str]:
    event = context.event
    if event.window is None:
        return {}
    folded = "100+" if event.folded is None else str(event.folded)
    return {
        f"{OURS}EVENT_WINDOW": rfc3339(event.window),
        f"{OURS}EVENT_LATE_MS": str(event.late_by // MILLISECOND),
        f"{OURS}EVENT_FOLDED": folded,
    }


def write_event_file(account: Account, context: DeployContext) -> Path:
    """Write everything as JSON into a file that only *account* can read; raise DeployFailed."""
    text = json.dumps(_everything(context), separators=(",", ":"))
    try:
        handle, name = tempfile.mkstemp(prefix=_prefix(context.run), suffix=".json")  # mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            if not account.is_ours:
                os.fchown(handle, account.uid, account.gid)
    except OSError as problem:
        remove_event_files(context.run)
        where = tempfile.gettempdir()
        raise DeployFailed(
            f"no event file can be written to {where}: {problem.strerror}; make room there"
        ) from problem
    return Path(name)


def remove_event_files(run: str) -> None:
    """Remove what was left behind of this run."""
    for left in Path(tempfile.gettempdir()).glob(f"{_prefix(run)}*.json"):
        with suppress(OSError):
            left.unlink()


def _prefix(run: str) -> str:
    return f"tinyforge-{run}-"


def _everything(context: DeployContext) -> Mapping[str, object]:
    event = context.event
    return {
        "run": context.run,
        "attempt": context.attempt,
        "workload": context.workload,
        "trigger": context.trigger,
        "event": {
            "id": context.event_id,
            "kind": context.trigger_kind,
            "accepted_at": rfc3339(event.accepted_at),
            "window": _moment(event.window),
            "late_ms": event.late_by // MILLISECOND,
            "folded": event.folded,
            "folded_from": _moment(event.folded_from),
            "key": event.key,
            "actor": event.actor,
            "facts": dict(event.facts),
        },
    }


def _moment(at: Moment | None) -> str | None:
    return None if at is None else rfc3339(at)
