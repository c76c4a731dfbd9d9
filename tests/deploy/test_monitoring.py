"""Alerts and dashboard ask for what a server really says, and Prometheus understands them."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml
from msgspec import Struct, json
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.conftest import ROOT
from tests.docs.tables import codes, page, rows
from tests.ports import free_port
from tests.postgres import own_schema
from tests.server.place import Place
from tests.torture.served import TooSlow, wait_until
from tinyforge.cli.commands import COMMANDS
from tinyforge.model import RunState

RULES = ROOT / "deploy/prometheus/tinyforge.rules.yml"
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.decode((ROOT / "deploy/grafana/tinyforge.json").read_bytes())
LATER = {"tinyforge_clock_off_seconds"}  # known after a minute
OF_PROMETHEUS = {"job", "instance", "le"}
NAME = re.compile(r"\b(?:tinyforge|process)_\w+")
SELECTED = re.compile(r"(\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")
NEXT = re.compile(r"Next(?:, on that machine)?: tinyforge ([a-z ]+?)(?: --.*)?$")
MANIFEST = """
workloads:
  good: {kind: command, command: [echo, done]}
  bad: {kind: command, command: ["false"]}
triggers:
  often: {kind: schedule, interval: 10s}
bindings:
  - {trigger: often, workload: good}
  - {trigger: often, workload: bad}
"""
SCRAPE = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: tinyforge
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Answer(Struct):
    status: str
    data: dict[str, object]


def panels() -> dict[str, list[str]]:
    """Return what each panel asks for."""
    return {
        panel["title"]: [target["expr"] for target in panel["targets"]]
        for panel in DASHBOARD["panels"]
        if panel["type"] != "row"
    }


def expressions() -> list[str]:
    asked = [expression for found in panels().values() for expression in found]
    return [*asked, *(alert["expr"] for alert in ALERTS)]


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[str]:
    async with own_schema(postgres) as address:
        yield address


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write(MANIFEST)
    return place


def described() -> dict[str, set[str]]:
    """Return the labels of each metric by the page that other tests hold to the code."""
    cells = rows(page("reference/metrics.md"))
    return {name: set(codes(cell[0])) for name, cell in cells.items()}


async def test_every_metric_that_is_asked_for_is_said_by_a_server(
    place: Place, database: str
) -> None:
    asked = {name for text in expressions() for name in NAME.findall(text)}
    with place.serving(TINYFORGE_DATABASE=database) as server:
        await asyncio.to_thread(server.until, lambda: server.metric("runs_ended_total") > 1, "runs")
        text = server.metrics()
    families = list(text_string_to_metric_families(text))
    samples = {sample.name for family in families for sample in family.samples}
    without_samples = {family.name for family in families} - samples
    assert {name for name in asked if family_of(name) not in without_samples} <= samples | LATER


def family_of(name: str) -> str:
    return re.sub(r"_(total|bucket|sum|count)$", "", name)


def test_every_label_that_is_asked_for_is_one_of_its_metric() -> None:
    labels = {family_of(name): found for name, found in described().items()}
    for text in expressions():
        known = set[str]().union(*(labels[family_of(name)] for name in NAME.findall(text)))
        for name, matchers in SELECTED.findall(text):
            selected = {label for label, _ in MATCHER.findall(matchers)}
            assert selected <= labels.get(family_of(name), set()) | OF_PROMETHEUS, text
        for group in GROUPED.findall(text):
            assert {label.strip() for label in group.split(",")} <= known | OF_PROMETHEUS, text


def test_every_state_that_is_asked_for_is_a_state_of_runs() -> None:
    states = {
        state
        for text in expressions()
        for label, value in MATCHER.findall(text)
        if label == "state"
        for state in value.split("|")
    }
    assert states
    assert states <= {state.word for state in RunState}


def test_every_alert_says_what_is_wrong_and_what_to_type() -> None:
    commands = {command.words for command in COMMANDS}
    for alert in ALERTS:
        assert alert["labels"]["severity"] in {"critical", "warning"}
        said = NEXT.search(alert["annotations"]["summary"])
        assert said, alert["alert"]
        assert said[1] in commands, alert["alert"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
@pytest.mark.parametrize(
    "words", ["check rules tinyforge.rules.yml", "test rules tinyforge.tests.yml"]
)
def test_promtool_finds_nothing(words: str) -> None:
    command = ["promtool", *words.split()]
    judged = subprocess.run(command, cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus")
async def test_every_panel_shows_something_of_a_server_at_work(place: Place, database: str) -> None:
    with (
        place.serving(TINYFORGE_DATABASE=database) as server,
        prometheus(place, server.port, server.token("metrics")) as address,
    ):
        try:
            await asyncio.to_thread(
                wait_until, lambda: not blank(address), "all panels show something"
            )
        except TooSlow:
            assert blank(address) == []


# where nothing has died, and in the first minute
UNHEARD_OF = {"Recovered runs and given-up events", "Clocks against the database's"}


def blank(address: str) -> list[str]:
    """Return the panels that show nothing; one that Prometheus does not understand is a fault."""
    return [
        title
        for title, asked in panels().items()
        if title not in UNHEARD_OF and not any(ask(address, text) for text in asked)
    ]


def ask(address: str, text: str) -> object:
    for name, value in FILLED.items():
        text = text.replace(name, value)
    with urllib.request.urlopen(
        f"http://{address}/api/v1/query?{urlencode({'query': text})}"
    ) as said:
        answer = json.decode(said.read(), type=Answer)
    assert answer.status == "success", text
    return answer.data["result"]


FILLED: Mapping[str, str] = {"$job": "tinyforge", "$instance": ".*", "$__rate_interval": "10s"}


@contextmanager
def prometheus(place: Place, port: int, token: str) -> Iterator[str]:
    """Run a Prometheus that reads the server; return its address."""
    config = place.folder / "prometheus.yml"
    config.write_text(SCRAPE.format(port=port, token=token))
    address = f"127.0.0.1:{free_port()}"
    words = {
        "--config.file": config,
        "--storage.tsdb.path": place.folder / "prometheus",
        "--web.listen-address": address,
        "--log.level": "error",
    }
    command = ["prometheus", *(f"{name}={value}" for name, value in words.items())]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _answers(address) or process.poll() is not None, "Prometheus")
            assert process.poll() is None
            yield address
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=1):
            return True
    except OSError:
        return False
