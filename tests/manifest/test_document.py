from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.manifest.world import SITE, World, mistakes_in, understood
from tinyforge.clock import MINUTE, SECOND
from tinyforge.errors import InvalidManifest
from tinyforge.manifest.document import read
from tinyforge.model import DEFAULT_TIMEOUT, Queue, Retry
from tinyforge.plugins import Plugins
from tinyforge.schedule.words import duration
from tinyforge.store.definition import as_duration

WORKLOAD = "version: 1\nworkloads:\n  site: {{kind: command, command: [ls], {}}}\n"
TRIGGER = "version: 1\ntriggers:\n  night: {}\n"
BINDING = """\
version: 1
workloads:
  site: {{kind: command, command: [ls]}}
triggers:
  night: {{kind: schedule, interval: 1h}}
  push: {{kind: manual}}
  after: {{kind: run, workloads: [site]}}
  any: {{kind: anything}}
bindings:
  - {}
"""


def test_a_manifest_becomes_typed_rows() -> None:
    document = understood(
        """
        version: 1
        name: shop
        workloads:
          site:
            kind: command
            command: [./deploy.sh]
            queue: every
            timeout: 5m
            retry: {attempts: 3, backoff: 2s}
            idempotent: true
        triggers:
          night: {kind: schedule, cron: 0 3 * * *, enabled: false}
        bindings:
          - {trigger: night, workload: site, name: both, enabled: false}
        """
    )
    assert len(document.mistakes) == 0
    assert document.owner == "manifest:shop"
    site = document.workloads["site"]
    assert (site.kind, site.config) == ("command", {"command": ["./deploy.sh"]})
    assert (site.queue, site.timeout) == (Queue.EVERY, 5 * MINUTE)
    assert (site.retry, site.idempotent) == (Retry(attempts=3, backoff=2 * SECOND), True)
    night = document.triggers["night"]
    assert (night.config, night.enabled) == ({"cron": "0 3 * * *"}, False)
    both = document.bindings["both"]
    assert (both.trigger, both.workload, both.rule, both.enabled) == ("night", "site", {}, False)


def test_what_is_left_out_has_its_usual_value() -> None:
    document = understood(SITE)
    assert document.name == "default"
    site = document.workloads["site"]
    assert (site.queue, site.timeout) == (Queue.LATEST, DEFAULT_TIMEOUT)
    assert (site.retry, site.idempotent) == (Retry(), None)
    assert document.triggers["nightly"].enabled
    assert set(document.bindings) == {"nightly.site", "often.ping"}


@pytest.mark.parametrize(
    ("on", "meant"),
    [
        ("host=web1", ("host=web1",)),
        ("[host=web1, disk=ssd]", ("disk=ssd", "host=web1")),
        ("[]", ()),
    ],
)
def test_a_workload_asks_for_one_label_or_for_several(on: str, meant: tuple[str, ...]) -> None:
    assert understood(WORKLOAD.format(f"on: {on}")).workloads["site"].on == meant


def test_a_key_without_a_value_is_as_good_as_none() -> None:
    said = WORKLOAD.format("cwd: , queue: null, retry: ~, idempotent: null")
    assert mistakes_in(said) == ()
    assert understood(said).workloads == understood(WORKLOAD.format("")).workloads


def test_sections_may_be_empty() -> None:
    assert mistakes_in("version: 1\nworkloads:\ntriggers: {}\nbindings: []\n") == ()


@pytest.mark.parametrize("seconds", [0, 1, 59, 60, 3_600, 5_400, 86_400, 604_800, 694_861])
def test_a_duration_is_written_as_it_is_read(seconds: int) -> None:
    assert duration(as_duration(seconds * SECOND)) == seconds * SECOND


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", ":1: nothing is in here; begin with `version: 1`"),
        ("[]", ":1: must be keys and values, not a list; such as `version: 1`"),
        ("triggers: {}", ":1: version: is missing; write `version: 1`"),
        ("version: '1'", ":1: version: '1' is unknown; this program reads `version: 1`"),
        ("version: 2", ":1: version: 2 is unknown; this program reads `version: 1`"),
        ("version: true", ":1: version: true is unknown; this program reads `version: 1`"),
        ("version: 1\ntrigger: {}", ":2: trigger: unknown key; did you mean 'triggers'?"),
        ("version: 1\nname: Shop", ":2: name: 'Shop' cannot be a name; use a-z, 0-9"),
        ("version: 1\nname: 7", ":2: name: must be text, not 7; put quotes around it"),
        ("version: 1\nname: [a]", ":2: name: must be text, not a list"),
        ("version: 1\ntriggers: []", ":2: triggers: must be names and their rows, not a list"),
        ("version: 1\nbindings: {}", ":2: bindings: must be a list of {trigger: nightly"),
    ],
)
def test_each_mistake_at_the_top_is_told(text: str, mistake: str) -> None:
    assert [line for line in mistakes_in(text) if mistake in line] == list(mistakes_in(text))
    assert len(mistakes_in(text)) == 1


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        ("queue: lates", "queue: 'lates' is unknown; did you mean 'latest'?"),
        ("queue: 1", "queue: must be text, not 1; put quotes around it"),
        ("timeout: 5", "timeout: 5 will not do; write a duration from 1s to 7d"),
        ("timeout: 0s", "timeout: '0s' will not do; write a duration from 1s to 7d"),
        ("timeout: 8d", "timeout: '8d' will not do; write a duration from 1s to 7d"),
        ("timeout: soon", "timeout: 'soon' will not do; write a duration"),
        ("timeout: [1s]", "timeout: ['1s'] will not do; write a duration"),
        (f"timeout: {'9' * 5_000}s", "… will not do; write a duration"),
        ("retry: 3", "retry: must be keys and values, not 3; such as {attempts: 3"),
        ("retry: {attempts: 0}", "retry.attempts: must be a number from 1 to 20, not 0"),
        ("retry: {attempts: 21}", "retry.attempts: must be a number from 1 to 20, not 21"),
        ("retry: {attempts: true}", "retry.attempts: must be a number from 1 to 20, not true"),
        ("retry: {backoff: 1s}", "retry.attempts: must be a number from 1 to 20, not nothing"),
        ("retry: {attempts: 2, backoff: 2d}", "retry.backoff: '2d' will not do; write a duration"),
        ("retry: {attempts: 2, wait: 2s}", "retry.wait: unknown key; known: attempts, backoff"),
        ("idempotent: yes", "idempotent: must be true or false, not 'yes'; write true"),
        ("idempotent: 0", "idempotent: must be true or false, not 0; write true or false"),
        ("on: web1", "on: 'web1' is no label; write KEY=VALUE such as host=web1"),
        ("on: [host=web1, host=web2]", "on: host is given twice, as host=web1 and host=web2; keep"),
        ("on: {host: web1}", "is no label; write KEY=VALUE such as host=web1"),
        ("tiemout: 5m", "tiemout: unknown key; did you mean 'timeout'?"),
        ("env: {A: 1}", "env.A: must be text"),
        ('env: {A: "${env:TINYFORGE_TEST_NOWHERE}"}', "env.A: ${env:TINYFORGE_TEST_NOWHERE}: is"),
        ('env: {A: "${file:/no/such/file}"}', "; give it a value there first"),
    ],
)
def test_each_mistake_in_a_workload_is_told(keys: str, mistake: str) -> None:
    found = mistakes_in(WORKLOAD.format(keys))
    assert len(found) == 1
    assert found[0].startswith("tinyforge.yaml:3: workloads.site.")
    assert mistake in found[0]


@pytest.mark.parametrize(
    ("row", "mistake"),
    [
        ("", "night: must be keys and values, not nothing; such as {kind: schedule"),
        ("daily", "night: must be keys and values, not 'daily'; such as {kind: schedule"),
        ("{}", "night.kind: is missing; one of acr, anything, bitbucket"),
        ("{kind: 5}", "night.kind: must be text, not 5; put quotes around it"),
        ("{kind: shedule}", "night.kind: no trigger kind 'shedule'; did you mean 'schedule'?"),
        ("{kind: cron}", "night.kind: no trigger kind 'cron'; known: acr, anything, bitbucket"),
        ("{kind: manual, enabled: On}", "night.enabled: must be true or false, not 'On'; write tr"),
        ("{kind: manual, enabled: FALSE}", "not 'FALSE'; write false"),
        ("{kind: manual, interval: 5m}", "night.interval: unknown key; known: enabled, kind"),
        ("{kind: schedule}", "night.interval: missing; give one of"),
        ("{kind: schedule, cron: 61 3 * * *}", "night.cron: bad minute '61'"),
        ("{kind: schedule, interval: 10}", "night.interval: must be text"),
        ("{kind: schedule, interval: 1h, timzone: UTC}", "did you mean 'timezone'?"),
        ("{kind: run, workloads: [site], on: [faild]}", "night.on[0]: 'faild' is not one of"),
    ],
)
def test_each_mistake_in_a_trigger_is_told(row: str, mistake: str) -> None:
    found = mistakes_in(TRIGGER.format(row))
    assert len(found) == 1
    assert found[0].startswith("tinyforge.yaml:3: triggers.night")
    assert mistake in found[0]


@pytest.mark.parametrize(
    ("row", "mistake"),
    [
        ("night", "bindings.1: must be keys and values, not 'night'; such as {trigger: nightly"),
        ("{trigger: night}", "bindings.1.workload: is missing; write {trigger: nightly"),
        ("{workload: site}", "bindings.1.trigger: is missing; write {trigger: nightly"),
        ("{trigger: [night], workload: site}", "bindings.1.trigger: must be text, not a list"),
        ("{trigger: nigt, workload: site}", "trigger: no trigger named 'nigt'; did you mean 'ni"),
        ("{trigger: night, workload: sit}", "workload: no workload named 'sit'; did you mean 'si"),
        ("{trigger: night, workload: site, nam: x}", "night.site.nam: unknown key; did you mean"),
        ("{trigger: night, workload: site, name: X}", "bindings.X.name: 'X' cannot be a name"),
        ("{trigger: night, workload: site, name: 1}", "name: must be text, not 1; put quotes"),
        ("{trigger: night, workload: site, enabled: 1}", "enabled: must be true or false, not 1"),
        (
            "{trigger: night, workload: site, when: x}",
            "site.when: a schedule's events carry no facts",
        ),
        ("{trigger: night, workload: site, match: x}", "match: must be keys and values, not 'x'"),
        ("{trigger: night, workload: site, match: {a: b}}", "night.site.match: a schedule's event"),
        ("{trigger: after, workload: site, match: {no: b}}", "after.site.match.no: no such fact"),
        ("{trigger: any, workload: site, match: {crash: b}}", "its kind fails: ZeroDivisionError"),
        ("{trigger: push, workload: site}\n  - {trigger: push, workload: site}", "on line 10;"),
    ],
)
def test_each_mistake_in_a_binding_is_told(row: str, mistake: str) -> None:
    found = mistakes_in(BINDING.format(row))
    assert len(found) == 1
    assert found[0].startswith(("tinyforge.yaml:10: bindings.", "tinyforge.yaml:11: bindings."))
    assert mistake in found[0]


@pytest.mark.parametrize("name", ["Night", "night shift", "-night", ".night", "n" * 64, "nächte"])
def test_names_have_an_alphabet_and_a_length(name: str) -> None:
    found = mistakes_in(f"version: 1\ntriggers:\n  {name}: {{kind: manual}}\n")
    assert len(found) == 1
    assert "cannot be a name; use a-z, 0-9 and . _ -" in found[0]


def test_a_usual_name_that_is_too_long_asks_for_a_name() -> None:
    trigger, workload = "t" * 32, "w" * 32
    rows = f"workloads: {{{workload}: {{kind: work}}}}\ntriggers: {{{trigger}: {{kind: manual}}}}\n"
    text = f"version: 1\n{rows}bindings: [{{trigger: {trigger}, workload: {workload}}}]\n"
    told = f"tinyforge.yaml:4: bindings.{trigger}.{workload}: its usual name is too long (65)"
    assert mistakes_in(text) == (f"{told}; give it a `name`",)
    assert mistakes_in(text.replace("{trigger:", "{name: both, trigger:")) == ()


def test_the_second_binding_of_a_pair_is_named() -> None:
    pair = "  - {trigger: often, workload: ping}\n"
    assert "the name is taken by the binding on line 10" in mistakes_in(SITE + pair)[0]
    assert mistakes_in(SITE + pair.replace("{", "{name: again, ")) == ()


def test_a_mistake_points_to_the_line_of_the_key_that_is_wrong() -> None:
    found = mistakes_in(
        "version: 1\n"
        "workloads:\n"
        "  site:\n"
        "    kind: command\n"
        "    command:\n"
        "      - ls\n"
        "      - {}\n"
        "    env:\n"
        "      GOOD: x\n"
        "      BAD: []\n"
        "    timout: 5m\n"
    )
    assert [line.split(": ")[0] for line in found] == [
        "tinyforge.yaml:7",
        "tinyforge.yaml:10",
        "tinyforge.yaml:11",
    ]


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    found = mistakes_in(
        "name: Shop\n"
        "workloads:\n"
        "  site: {kind: comand}\n"
        "  site: {kind: command}\n"
        "triggers:\n"
        "  night: {kind: schedule, cron: nonsense, cron: 1}\n"
        "bindings:\n"
        "  - {trigger: nigt, workload: site}\n"
    )
    assert [line.split(":")[1] for line in found] == ["1", "1", "3", "4", "6", "6", "8"]


def test_a_row_with_a_mistake_is_not_called_missing_by_its_bindings() -> None:
    found = mistakes_in(SITE.replace("interval: 10m", "interval: nonsense"))
    assert len(found) == 1
    assert "triggers.often.interval" in found[0]


def test_nothing_in_a_message_can_break_its_line() -> None:
    found = mistakes_in('version: 1\ntriggers:\n  "a\\nb\\e[31m": {kind: "x\\ny", "k\\r": 1}\n')
    assert found
    assert all(line.isprintable() for line in found)


def test_a_file_that_cannot_be_read_to_its_end_is_refused_at_once() -> None:
    with pytest.raises(InvalidManifest, match=r"^f:1: column 5: ") as refused:
        read("a: b: c", "f", Plugins([]))
    assert len(refused.value.mistakes) == 1


def test_a_document_with_mistakes_makes_no_plan() -> None:
    world = World()
    with pytest.raises(InvalidManifest):
        world.apply(SITE.replace("interval: 10m", "interval: nonsense"))
    assert world.names() == set()


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Return a good manifest with a few pieces cut out, doubled or replaced."""
    text = BINDING.format("{trigger: push, workload: site, match: {branch: [main]}}")
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = draw(st.integers(begin, min(len(text), begin + 12)))
        piece = draw(
            st.sampled_from([*"{}[]:,-*&!|>'\"%@#?\n\t ~1", "<<: ", "&a ", "*a", "- ", "null", ""])
            | st.just(text[begin:end] * 2)
            | st.text(max_size=3)
        )
        text = text[:begin] + piece + text[end:]
    return text


@settings(max_examples=300, deadline=None)
@given(damaged() | st.text(max_size=40) | st.binary(max_size=40))
def test_whatever_stands_in_a_file_it_is_a_plan_or_a_list_of_mistakes(data: str | bytes) -> None:
    for line in mistakes_in(data):
        assert line.startswith("tinyforge.yaml")
        assert line.isprintable()
