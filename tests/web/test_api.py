"""The API on a whole house: every route, and what its errors look like."""

from __future__ import annotations

import msgspec
import pytest

from tests.operations.house import BEGIN, ME, SITE, House
from tests.web.asking import ask, problem
from tinyforge.clock import rfc3339
from tinyforge.observe.events import RequestFailed
from tinyforge.operations.answers import (
    DoctorView,
    ExplainView,
    ExportView,
    HealthView,
    PlanView,
    PreviewView,
    SimulateView,
    VerifyView,
)
from tinyforge.operations.views import (
    BindingView,
    EventDetail,
    EventView,
    FireView,
    LogView,
    Page,
    RunDetail,
    RunView,
    SwitchView,
    TriggerDetail,
    TriggerView,
    WorkloadDetail,
    WorkloadView,
)
from tinyforge.web.gate import Gate

READS = {
    "/health": HealthView,
    "/triggers": Page[TriggerView],
    "/triggers?kind=schedule&state=active": Page[TriggerView],
    "/triggers/often": TriggerDetail,
    "/triggers/often/preview?count=3&after=2026-02-01T00:00:00%2B01:00": PreviewView,
    "/triggers/often/explain": ExplainView,
    "/triggers/often/explain?at=2026-01-05T12:00:00Z": ExplainView,
    "/preview?count=1": PreviewView,
    "/simulate?from=2026-01-05T12:00:00Z&to=2026-01-06T12:00:00Z": SimulateView,
    "/workloads": Page[WorkloadView],
    "/workloads/site": WorkloadDetail,
    "/bindings": Page[BindingView],
    "/events?trigger=often&limit=5": Page[EventView],
    "/runs?workload=site&state=queued&limit=1": Page[RunView],
    "/manifest/export?name=default": ExportView,
    "/verify": VerifyView,
    "/verify?trigger=often": VerifyView,
    "/doctor": DoctorView,
}


@pytest.mark.parametrize("path", list(READS))
async def test_every_read_decodes_into_its_view(app: Gate, path: str) -> None:
    answer = await ask(app, "GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    msgspec.json.decode(answer.body, type=READS[path])


async def test_every_act_decodes_into_its_view(app: Gate, house: House) -> None:
    async def post(path: str, kind: type[msgspec.Struct], body: object = None) -> object:
        answer = await ask(app, "POST", path, body)
        assert answer.status == 200, answer.body
        return msgspec.json.decode(answer.body, type=kind)

    manifest = {"source": "f.yaml", "text": SITE, "prune": True}
    await post("/manifest/plan", PlanView, manifest)
    await post("/manifest/apply", PlanView, manifest)
    await post("/triggers/often/pause", SwitchView)
    await post("/triggers/often/resume", SwitchView)
    await post("/triggers/button/fire", FireView, {"facts": {"branch": "main"}, "dry_run": True})
    fired = await post("/triggers/button/fire", FireView)
    assert isinstance(fired, FireView)
    assert not fired.rules_applied
    deployed = await post("/workloads/site/deploy", FireView, {"dry_run": False})
    assert isinstance(deployed, FireView)
    run = deployed.results[0].run
    await post(f"/runs/{run}/cancel", RunDetail)
    await post(f"/runs/{run}/retry", RunDetail)
    for path, kind in (
        (f"/events/{fired.event}", EventDetail),
        (f"/runs/{run}", RunDetail),
        (f"/runs/{run}/log?after=-1", LogView),
    ):
        msgspec.json.decode((await ask(app, "GET", path)).body, type=kind)


async def test_who_asked_is_written_down(app: Gate, house: House) -> None:
    await ask(app, "POST", "/triggers/button/fire")
    events = (await house.doors.events.find(ME, "button")).items
    assert [event.actor for event in events] == [ME.actor]


@pytest.mark.parametrize(
    ("path", "status", "said", "fix"),
    [
        ("/triggers/oftn", 404, "did you mean 'often'", "tinyforge trigger list"),
        ("/workloads/none", 404, "no workload named 'none'", "tinyforge"),
        ("/runs/run_0000000000001", 404, "no run", "tinyforge run list"),
        ("/runs/nonsense", 404, "no run named 'nonsense'", "tinyforge run list"),
        ("/events/evt_zzzzzzzzzzzzz", 404, "no event", "tinyforge event list"),
        ("/nothing", 404, "there is no GET /api/v1/nothing", "/health"),
        ("/manifest/apply", 405, "there is no GET /api/v1/manifest/apply", "/health"),
        ("/events?limit=0", 400, "limit", ""),
        ("/events?limit=1001", 400, "limit", ""),
        ("/events?limit=many", 400, "limit", ""),
        ("/events?limt=5", 400, "limt: unknown; known: ", ""),
        ("/events?limit=5&limit=6", 400, "limit: given twice", ""),
        ("/triggers?state=odd", 400, "state: 'odd' is none of active, paused, disabled", ""),
        ("/runs?state=done", 400, "state: 'done' is none of queued, running", ""),
        ("/triggers/often?x=1", 400, "x: unknown; known: none", ""),
        ("/triggers/often/explain?at=noon", 400, "'noon' is no moment", ""),
        ("/triggers/often/explain?at=2026-01-05T12:00:00", 400, "is no moment", ""),
        ("/triggers/often/explain?at=3026-01-05T12:00:00Z", 400, "1973 to 2999", ""),
        (
            "/simulate?from=2026-01-05T12:00:00Z&to=2026-01-05T11:00:00Z",
            409,
            "366 days",
            "simulate",
        ),
    ],
)
async def test_what_cannot_be_read_says_where_and_what(
    app: Gate, path: str, status: int, said: str, fix: str
) -> None:
    shown = problem(await ask(app, "GET", path))
    assert shown.status == status
    assert said in shown.detail
    assert fix in shown.fix


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/triggers/button/fire", {"fact": {}}, 400, "fact"),
        ("/triggers/button/fire", {"facts": [1]}, 400, "facts"),
        ("/triggers/button/fire", [], 400, "object"),
        ("/triggers/button/fire", {"facts": {"x": "y" * 270_000}}, 409, "262144"),
        ("/triggers/button/pause", None, 409, "no windows"),
        ("/manifest/apply", None, 400, "source"),
        ("/manifest/apply", {"source": "f.yaml", "text": 5}, 400, "text"),
        ("/triggers/button/fire?dry_run=1", None, 400, "dry_run: unknown"),
    ],
)
async def test_what_cannot_be_done_says_where_and_what(
    app: Gate, path: str, body: object, status: int, said: str
) -> None:
    shown = problem(await ask(app, "POST", path, body))
    assert shown.status == status
    assert said in shown.detail


async def test_all_mistakes_of_a_manifest_come_as_a_list(app: Gate) -> None:
    text = SITE.replace("interval: 10m", "intervall: 10m").replace("branch: main", "branch: [")
    shown = problem(await ask(app, "POST", "/manifest/apply", {"source": "f.yaml", "text": text}))
    assert shown.status == 422
    assert shown.mistakes
    assert all(mistake.startswith("f.yaml:") for mistake in shown.mistakes)
    assert "nothing is changed" in shown.detail


async def test_a_manifest_of_many_megabytes_is_read(app: Gate) -> None:
    text = SITE + "# nothing\n" * 1_100_000
    answer = await ask(app, "POST", "/manifest/plan", {"source": "f.yaml", "text": text})
    assert answer.status == 200
    assert len(text) > 10 * 1024 * 1024


async def test_a_bug_answers_500_without_insides_and_is_told_to_the_log(
    app: Gate, house: House
) -> None:
    house.by_hand("DROP TABLE epochs")
    shown = problem(await ask(app, "GET", "/verify"))
    assert shown.status == 500
    assert "epochs" not in shown.detail
    told = [one for one in house.happened if isinstance(one, RequestFailed)]
    assert [(one.method, one.path) for one in told] == [("GET", "/api/v1/verify")]
    assert "no such table: epochs" in told[0].stack


async def test_explain_over_the_api_reads_an_offset(app: Gate) -> None:
    asked = "/triggers/often/explain?at=2026-01-05T13:00:00%2B01:00"
    view = msgspec.json.decode((await ask(app, "GET", asked)).body, type=ExplainView)
    assert (view.asked, view.verdict) == (rfc3339(BEGIN), "fired")
