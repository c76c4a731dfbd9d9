"""Whether the server can be trusted: how it is, and whether its history holds."""

from __future__ import annotations

from litestar import get, post

from tinyforge.operations.answers import DoctorView, HealthView, VerifyView
from tinyforge.operations.sightings import SightingView
from tinyforge.web.routes.parameters import READ, Asker, Doors, Name, Text


@get("/health", opt=READ)
async def health(doors: Doors, caller: Asker) -> HealthView:
    """Say how the server is, and how much there is."""
    return await doors.health.show(caller)


@get("/verify", opt=READ)
async def verify(doors: Doors, caller: Asker, trigger: Text = None) -> VerifyView:
    """Derive all kept windows again, and say where the history has a fault."""
    return await doors.verify.verify(caller, trigger)


@get("/doctor", opt=READ)
async def doctor(doors: Doors, caller: Asker) -> DoctorView:
    """Look for what needs mending."""
    return await doors.doctor.examine(caller)


@post("/doctor/sightings", status_code=200, opt=READ)
async def announce(doors: Doors) -> SightingView:
    """Announce one call of /healthz: how it comes in is noted for a minute."""
    return doors.sightings.announce()


@get("/doctor/sightings/{mark:str}", opt=READ)
async def sighting(doors: Doors, mark: Name) -> SightingView:
    """Say how an announced call came in."""
    return doors.sightings.show(mark)


ROUTES = (health, verify, doctor, announce, sighting)
