"""What `tinyforge deploy` does."""

from __future__ import annotations

from tinyforge.cli.client import named
from tinyforge.cli.firing import NO_FLAGS, FireFlags, report
from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import screen
from tinyforge.operations.views import DeployRequest, FireView


def deploy(
    workload: str,
    /,
    *,
    flags: FireFlags = NO_FLAGS,
    shared: Shared = DEFAULT,
) -> int:
    out = screen(shared)
    with reach(out, Offline.NOTHING) as api:
        asked = DeployRequest(dry_run=flags.dry_run)
        reply = api.post(f"/workloads/{named(workload)}/deploy", FireView, asked)
        return report(out, api, reply, flags)
