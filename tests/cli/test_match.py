"""`tinyforge match`: what rules make of a delivery, without a server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.cli.calls import Calls, Said

MAIN = {
    "ref": "refs/heads/main",
    "before": "a" * 40,
    "after": "b" * 40,
    "repository": {"full_name": "acme/site"},
    "pusher": {"name": "ann"},
    "commits": [
        {
            "id": "b" * 40,
            "message": "Fix it",
            "added": [],
            "removed": [],
            "modified": ["web/index.html"],
        }
    ],
}
PUSH = "X-GitHub-Event: push\nX-GitHub-Delivery: 72d3162e\nContent-Type: application/json\n"
MANIFEST = """\
version: 1
workloads:
  site: {kind: command, command: [./deploy.sh]}
  docs: {kind: command, command: [./deploy.sh]}
triggers:
  push: {kind: github, secret: "${env:NOT_SET_ANYWHERE}"}
  nightly: {kind: schedule, cron: "0 3 * * *"}
bindings:
  - {trigger: push, workload: site, match: {branch: main, paths: [web/**]}}
  - {trigger: push, workload: docs, match: {branch: main, paths: [docs/**]}}
  - {name: resting, trigger: push, workload: docs, enabled: false}
  - {name: bots, trigger: push, workload: docs, when: "event.payload.pusher.name != 'ann'"}
"""


class Desk:
    """Files that a person has beside each other, and the command called for them."""

    def __init__(self, folder: Path, call: Calls) -> None:
        self.folder = folder
        self.call = call
        self.write("headers", PUSH)
        self.write("payload", json.dumps(MAIN))

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def match(self, *words: str) -> Said:
        files = {"--headers": "headers", "--payload": "payload"}
        given = [part for flag, name in files.items() for part in (flag, str(self.folder / name))]
        return self.call.bare("match", *given, *words)


@pytest.fixture
def desk(tmp_path: Path, call: Calls) -> Desk:
    return Desk(tmp_path, call)


def outcomes(said: Said) -> Mapping[str, str]:
    return {one["binding"]: one["outcome"] for one in json.loads(said.out)["results"]}


# --- what is said


def test_without_a_rule_the_usual_event_matches_and_is_shown(desk: Desk) -> None:
    said = desk.match("--kind", "github")
    assert said.code == 0
    assert "branch      main" in said.lines
    assert "files       web/index.html" in said.lines
    assert "delivery id 72d3162e" in said.lines
    assert "1 of 1 binding would deploy" in said.lines
    assert said.last == "the signature was not checked: this tries rules alone"


def test_each_binding_of_a_manifest_says_why_or_why_not(desk: Desk) -> None:
    manifest = desk.write("tinyforge.yaml", MANIFEST)
    said = desk.match("--kind", "github", "--manifest", manifest)
    assert said.code == 0
    told = dict(zip(said.lines, said.lines[1:], strict=False))
    assert told["matched  push.site -> site"] == "    push main matched"
    assert told["not_matched  push.docs -> docs"] == "    no changed file under docs/"
    assert told["disabled  resting -> docs"] == "    the binding is disabled"
    assert told["not_matched  bots -> docs"].startswith("    when is false: event.payload.pusher")
    assert "1 of 4 bindings would deploy" in said.lines


def test_the_kind_need_not_be_said_twice(desk: Desk) -> None:
    manifest = desk.write("tinyforge.yaml", MANIFEST)
    said = desk.match("--manifest", manifest, "--trigger", "push", "--json")
    assert outcomes(said) == {
        "push.site": "matched",
        "push.docs": "not_matched",
        "resting": "disabled",
        "bots": "not_matched",
    }


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("branch: main", 0),
        ("branch: [dev, release/*]", 1),
        ("match: {branch: main}\nwhen: event.pusher == 'ann'", 0),
        ("when: event.pusher != 'ann'", 1),
    ],
)
def test_a_rule_alone_is_tried_and_the_exit_code_tells(rule: str, code: int, desk: Desk) -> None:
    said = desk.match("--kind", "github", "--match", desk.write("rule.yaml", rule))
    assert said.code == code


def test_a_rule_without_an_answer_is_that_bindings_result(desk: Desk) -> None:
    rule = desk.write("rule.yaml", "when: event.payload.no.such == 'x'")
    said = desk.match("--kind", "github", "--match", rule)
    assert said.code == 1
    assert "match_failed" in said.out


def test_what_is_ignored_or_refused_says_why(desk: Desk) -> None:
    desk.write("headers", "X-GitHub-Event: star\n")
    said = desk.match("--kind", "github")
    assert said.code == 1
    assert said.lines == ["github: ignored: nothing is deployed on events of type 'star'"]
    desk.write("payload", "{")
    desk.write("headers", PUSH)
    said = desk.match("--kind", "github")
    assert (said.code, said.lines[0].startswith("github: refused: the body: ")) == (1, True)


def test_many_changes_are_a_table(desk: Desk) -> None:
    change = {"type": "branch", "name": "main", "target": {"hash": "b" * 40}}
    changes = [
        {"new": {**change, "name": f"b{place}"}, "old": None, "created": True}
        for place in range(60)
    ]
    payload = {
        "repository": {"full_name": "acme/site"},
        "actor": {"display_name": "Ann"},
        "push": {"changes": changes},
    }
    desk.write("payload", json.dumps(payload))
    desk.write("headers", "X-Event-Key: repo:push\n")
    said = desk.match("--kind", "bitbucket")
    assert said.lines[0].startswith("CHANGE  EVENT")
    assert "… and 10 more; --json shows all" in said.lines
    assert len(json.loads(desk.match("--kind", "bitbucket", "--json").out)["changes"]) == 60


# --- how a delivery may be kept


def test_a_trace_of_curl_is_read_as_it_is(desk: Desk) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl")
    headers = [part for line in PUSH.splitlines() for part in ("-H", line)]
    to_nobody = ["--data-binary", "@payload", "http://127.0.0.1:9/", "--max-time", "5"]
    done = subprocess.run(
        [curl, "-sv", *headers, *to_nobody],
        cwd=desk.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7  # nobody listens there, so what would be sent is written by hand
    trace = done.stderr + "".join(f"> {line}\n" for line in ["POST / HTTP/1.1", *PUSH.splitlines()])
    desk.write("headers", trace + ">\n* upload completely sent off\n< HTTP/1.1 202 Accepted\n")
    assert desk.match("--kind", "github").code == 0


def test_what_github_shows_of_a_delivery_is_read_as_it_is(desk: Desk) -> None:
    shown = "Request URL: https://forge.example.org/hooks/…\nRequest method: POST\nAccept: */*\n"
    desk.write("headers", shown + PUSH)
    assert desk.match("--kind", "github").code == 0


def test_a_form_is_read_and_json_under_a_forms_header_too(desk: Desk) -> None:
    desk.write("headers", PUSH.replace("application/json", "application/x-www-form-urlencoded"))
    assert "it is read as JSON" in desk.match("--kind", "github").err
    desk.write("payload", urlencode({"payload": json.dumps(MAIN)}))
    said = desk.match("--kind", "github")
    assert (said.code, "it is read as JSON" in said.err) == (0, False)


def test_registries_need_no_headers(desk: Desk, tmp_path: Path, call: Calls) -> None:
    payload = {"repository": {"repo_name": "acme/app"}, "push_data": {"tag": "1.4.0"}}
    rule = desk.write("rule.yaml", 'tag: ">=1.4 <2"')
    body = desk.write("payload", json.dumps(payload))
    said = call.bare("match", "--kind", "dockerhub", "--payload", body, "--match", rule)
    assert said.code == 0
    assert "image       docker.io/acme/app" in said.lines


# --- mistakes


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--kind", "githib"), "did you mean 'github'"),
        (("--kind", "schedule"), "triggers of kind schedule"),
        (("--kind", "webhook", "--match", "none.yaml"), "none.yaml: No such file"),
        ((), "needs --kind"),
        (("--kind", "github", "--trigger", "push"), "--trigger names one of a manifest"),
    ],
)
def test_a_call_that_cannot_be_meant_is_exit_2(
    words: tuple[str, ...], error: str, desk: Desk
) -> None:
    said = desk.match(*words)
    assert (said.code, said.out) == (2, "")
    assert error in said.err


def test_a_rule_with_mistakes_shows_all_of_them(desk: Desk) -> None:
    rule = desk.write("rule.yaml", "brnch: main\nevents: [pushes]\n")
    said = desk.match("--kind", "github", "--match", rule)
    assert said.code == 2
    assert "brnch: unknown key; did you mean 'branch'?" in said.err
    assert "no event 'pushes'" in said.err


def test_a_manifest_with_several_triggers_asks_which(desk: Desk) -> None:
    more = MANIFEST.replace("  nightly:", '  other: {kind: github, secret: "x"}\n  nightly:')
    manifest = desk.write("tinyforge.yaml", more)
    said = desk.match("--kind", "github", "--manifest", manifest)
    assert said.code == 2
    assert "say which with --trigger: push, other" in said.last


@pytest.mark.parametrize("text", ["", "- a", "branch: [", "match: 3"])
def test_a_file_that_is_no_rule_is_said_so(text: str, desk: Desk) -> None:
    said = desk.match("--kind", "github", "--match", desk.write("rule.yaml", text))
    assert said.code == 2
    assert "rule.yaml" in said.err


def test_a_line_that_is_no_header_is_named(desk: Desk) -> None:
    desk.write("headers", "X-GitHub-Event: push\nnonsense\n")
    said = desk.match("--kind", "github")
    assert said.code == 2
    assert "headers:2: no header: 'nonsense'" in said.err


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea", "bitbucket", "webhook", "ghcr"])
def test_a_kind_alone_needs_no_config(kind: str, desk: Desk) -> None:
    assert desk.match("--kind", kind).code in {0, 1}


@pytest.mark.parametrize("kind", ["dockerhub", "harbor", "quay", "distribution", "acr"])
def test_a_registry_alone_needs_no_config(kind: str, desk: Desk) -> None:
    assert desk.match("--kind", kind).code == 1
