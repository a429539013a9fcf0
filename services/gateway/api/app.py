"""Puts the HTTP API together: routes, layers, OpenAPI."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from services.gateway.api import documents, problems
from services.gateway.api.app_state import app_state
from services.gateway.api.middleware.auth import API, AuthMiddleware
from services.gateway.api.middleware.compression import CompressionMiddleware
from services.gateway.api.middleware.errors import ErrorMiddleware
from services.gateway.api.middleware.starting import StartingMiddleware
from services.gateway.api.openapi import completed
from services.gateway.api.routes import (
    accounts,
    assets,
    batches,
    bulk,
    episodes,
    films,
    imports,
    media,
    notes,
    partial_uploads,
    projects,
    provenance,
    reviews,
    runs,
    segments,
    shares,
    sign_in,
    site,
    streams,
    uploads,
    versions,
)
from services.gateway.api.routes.studio import Studio, StudioFallback
from services.gateway.config import Settings
from shared.core.clock import Clock
from shared.web.health import liveness_route, operations_routes

VERSION: Final = "1.0.0"
EXPOSED: Final = (
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Idempotency-Replayed",
    "Preference-Applied",
    "WWW-Authenticate",
    "Content-Range",
    "Accept-Ranges",
    "Content-Disposition",
)
TAKEN: Final = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Prefer",
    "Range",
    "Last-Event-ID",
    "Content-Disposition",
    "traceparent",
)

_NO_TELEMETRY: Final[Any] = {"tracing": False, "metrics": False, "logs": False}
"""The framework's own spans cost as much as a small request, and its layer hides the server's `send` from streams."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class GatewayApp(FastAPI):
    """`app.state.gateway` is there once the gateway is wired; `app.state.starting` says why it is not."""

    def __init__(self, settings: Settings | None, lifespan: Lifespan | None) -> None:
        self._local_mode = settings is not None and settings.local_mode
        self._making_openapi = threading.Lock()
        self._openapi_bytes: bytes | None = None
        super().__init__(
            title=documents.TITLE,
            version=VERSION,
            description=documents.DESCRIPTION.strip(),
            openapi_tags=list(documents.TAGS),
            lifespan=lifespan,
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            redirect_slashes=False,
            telemetry=_NO_TELEMETRY,
            generate_unique_id_function=_operation_id,
        )

    def build_middleware_stack(self) -> ASGIApp:
        return ErrorMiddleware(super().build_middleware_stack(), local_mode=self._local_mode)

    def openapi(self) -> dict[str, Any]:
        """OpenAPI 3.1, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = completed(
                get_openapi(
                    title=self.title,
                    version=self.version,
                    description=self.description,
                    routes=self.routes,
                    tags=self.openapi_tags,
                    separate_input_output_schemas=False,
                )
            )
        return self.openapi_schema

    def openapi_bytes(self) -> bytes:
        """The document as JSON, made once; takes a second, so not on the event loop."""
        with self._making_openapi:
            if self._openapi_bytes is None:
                self._openapi_bytes = json.dumps(self.openapi(), ensure_ascii=False, separators=(",", ":")).encode()
            return self._openapi_bytes


def build_app(settings: Settings | None, clock: Clock, lifespan: Lifespan | None = None) -> GatewayApp:
    """Without settings: for its OpenAPI document alone."""
    app = GatewayApp(settings, lifespan)
    problems.install(app)
    for router in (
        accounts.router,
        accounts.me_router,
        sign_in.router,
        shares.guest_router,
        site.models_router,
        streams.router,
        projects.router,
        shares.router,
        uploads.router,
        partial_uploads.router,
        imports.router,
        episodes.router,
        segments.router,
        assets.router,
        runs.router,
        reviews.router,
        bulk.router,
        versions.router,
        provenance.router,
        notes.router,
        batches.router,
        films.router,
        media.router,
    ):
        app.include_router(router, prefix=API)
    app.include_router(liveness_route())
    if settings is None or settings.operations_port is None:
        app.include_router(operations_routes(lambda: app.state.starting.health))
    app.include_router(site.router)
    if settings is not None:
        studio = Studio(media_origin=lambda: app_state(app).objects.link_origin())
        app.router.default = StudioFallback(studio, app.router.default)
        app.add_middleware(CompressionMiddleware)
        app.add_middleware(AuthMiddleware, state=lambda: app_state(app))
        app.add_middleware(StartingMiddleware, has_started=lambda: hasattr(app.state, "gateway"))
        if settings.cors_origins:
            app.add_middleware(
                CORSMiddleware,
                allow_origins=list(settings.cors_origins),
                allow_credentials=True,
                allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=list(TAKEN),
                expose_headers=list(EXPOSED),
                max_age=600,
            )
    return app


def _operation_id(route: APIRoute) -> str:
    """`runs_review`: the module and the name of the function."""
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name.rstrip('_')}"
