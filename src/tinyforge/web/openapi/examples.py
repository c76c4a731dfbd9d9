"""One of each: what people see first when they read a description."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from tinyforge.operations.answers import DecidedView
from tinyforge.operations.views import (
    BindingView,
    DeployRequest,
    EndpointView,
    EventView,
    FireRequest,
    FireView,
    ManifestRequest,
    Problem,
    ResultView,
    RunView,
    SampleRequest,
    SecretView,
    SetupView,
    TriggerView,
    WorkloadView,
)

AT = "2026-01-05T02:00:00Z"
RESULT = ResultView(
    binding="nightly.site",
    workload="site",
    outcome="matched",
    run="run_36we0x300000g",
    run_state="succeeded",
    next_command="tinyforge run logs run_36we0x300000g",
)
MANIFEST = """\
version: 1
workloads:
  site: {kind: command, command: ["./deploy.sh", "site"]}
triggers:
  nightly: {kind: schedule, cron: "0 3 * * *", timezone: Europe/Berlin}
bindings:
  - {trigger: nightly, workload: site}
"""
EXAMPLES: Mapping[type[Struct], Struct] = {
    FireRequest: FireRequest(facts={"branch": "main"}),
    DeployRequest: DeployRequest(dry_run=True),
    SampleRequest: SampleRequest(event="push", facts={"branch": "main"}),
    SetupView: SetupView(
        endpoint=EndpointView(
            trigger="push",
            url="https://forge.example.org/hooks/nEUXnFfukihRmUipWY1Xsg",
            unsigned=False,
            generated=True,
            made_at=AT,
            max_body=26_214_400,
            secrets=[SecretView(place=1, says="${env:GITHUB_SECRET}", last_used_at=AT)],
            next_command="tinyforge trigger url push",
        ),
        steps=["Payload URL: https://forge.example.org/hooks/nEUXnFfukihRmUipWY1Xsg"],
        next_command="tinyforge trigger test push",
    ),
    ManifestRequest: ManifestRequest(source="site.yaml", text=MANIFEST),
    TriggerView: TriggerView(
        id="trg_36we0x3000001",
        name="nightly",
        kind="schedule",
        state="active",
        says="0 3 * * * Europe/Berlin",
        config={"cron": "0 3 * * *", "timezone": "Europe/Berlin"},
        enabled=True,
        managed_by="manifest:default",
        workloads=["site"],
        due_at="2026-01-06T02:00:00Z",
        last_fired_at=AT,
        revision="rev_36we0x3000008",
        next_command="tinyforge preview nightly",
    ),
    WorkloadView: WorkloadView(
        id="wld_36we0x3000000",
        name="site",
        kind="command",
        config={"command": ["./deploy.sh", "site"]},
        queue="latest",
        timeout_us=900_000_000,
        attempts=1,
        backoff_us=10_000_000,
        idempotent=None,
        on=(),
        managed_by="manifest:default",
        revision="rev_36we0x300000a",
        next_command="tinyforge deploy site",
    ),
    BindingView: BindingView(
        id="bnd_36we0x3000004",
        name="nightly.site",
        trigger="nightly",
        workload="site",
        match={},
        enabled=True,
        managed_by="manifest:default",
        revision="rev_36we0x300000c",
    ),
    EventView: EventView(
        id="evt_36we0x300000f",
        trigger="nightly",
        accepted_at=AT,
        window=AT,
        epoch=1,
        fanned_at=AT,
        revision="rev_36we0x3000008",
    ),
    ResultView: RESULT,
    FireView: FireView(
        trigger="nightly", event="evt_36we0x300000f", results=[RESULT], rules_applied=False
    ),
    RunView: RunView(
        id="run_36we0x300000g",
        event="evt_36we0x300000f",
        trigger="nightly",
        binding="nightly.site",
        workload="site",
        state="succeeded",
        queued_at=AT,
        ready_at=AT,
        started_at=AT,
        ended_at="2026-01-05T02:00:04Z",
        took_us=4_000_000,
        attempt=1,
    ),
    DecidedView: DecidedView(
        verdict="skipped",
        window=AT,
        oldest="2026-01-04T02:00:00Z",
        count=2,
        words="it was paused or disabled",
        reason="paused",
        epoch=1,
        decided_at="2026-01-05T07:30:00Z",
    ),
    Problem: Problem(
        title="Not Found",
        status=404,
        detail="no trigger named 'nightl'; did you mean 'nightly'?",
        fix="tinyforge trigger list",
    ),
}
