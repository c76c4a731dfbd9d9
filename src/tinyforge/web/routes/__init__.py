"""The routes of `/api/v1`. Each only translates to an operation."""

from __future__ import annotations

from litestar import Router

from tinyforge.web.routes import (
    about,
    access,
    deliveries,
    events,
    keys,
    live,
    manifests,
    objects,
    runs,
    triggers,
    trust,
    workloads,
)

API = Router(
    "/api/v1",
    route_handlers=[
        *triggers.ROUTES,
        *workloads.ROUTES,
        *objects.ROUTES,
        *events.ROUTES,
        *deliveries.ROUTES,
        *runs.ROUTES,
        *manifests.ROUTES,
        *trust.ROUTES,
        *live.ROUTES,
        *about.ROUTES,
        *access.ROUTES,
        *keys.ROUTES,
    ],
)
