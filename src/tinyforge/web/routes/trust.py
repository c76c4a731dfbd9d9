"""Whether the server can be trusted: how it is, and whether its history holds."""

from __future__ import annotations

from litestar import get

from tinyforge.operations.answers import DoctorView, HealthView, VerifyView
from tinyforge.web.routes.parameters import READ, Doors, Text


@get("/health", opt=READ)
async def health(doors: Doors) -> HealthView:
    return await doors.health.show()


@get("/verify", opt=READ)
async def verify(doors: Doors, trigger: Text = None) -> VerifyView:
    return await doors.verify.verify(trigger)


@get("/doctor", opt=READ)
async def doctor(doors: Doors) -> DoctorView:
    return await doors.doctor.examine()


ROUTES = (health, verify, doctor)
