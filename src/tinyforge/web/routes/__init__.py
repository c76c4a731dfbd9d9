"""The routes of `/api/v1`. Each only translates to an operation."""

from __future__ import annotations

from litestar import Router

from tinyforge.web.routes import access, events, manifests, runs, triggers, trust, workloads

API = Router(
    "/api/v1",
    route_handlers=[
        *triggers.ROUTES,
        *workloads.ROUTES,
        *events.ROUTES,
        *runs.ROUTES,
        *manifests.ROUTES,
        *trust.ROUTES,
        *access.ROUTES,
    ],
)
