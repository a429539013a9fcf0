"""The gateway itself: its catalogue of models, health, metrics and API documents."""

from __future__ import annotations

from typing import Any

import httpx

from client.models import CatalogueModel, Health
from client.resources.base import Listing, Resource, parse, path
from client.transport import Request, json_of


class Catalogue(Resource):
    def models(self, *, kind: str | None = None, provider: str | None = None) -> Listing[CatalogueModel]:
        """The models that runs can use."""
        return self._list(CatalogueModel, "/models", kind=kind, provider=provider)


class Site(Resource):
    async def live(self) -> Health:
        return parse(Health, json_of(await self._root("/health/live")))

    async def ready(self) -> Health:
        """The readiness, also of a gateway that is not ready; `checks` has the reasons."""
        return parse(Health, json_of(await self._operations("/health/ready", 503)))

    async def metrics(self) -> str:
        """The metrics in Prometheus text format."""
        return (await self._operations("/metrics")).text

    async def openapi(self) -> dict[str, Any]:
        return dict(json_of(await self._root("/openapi.json")))

    async def docs(self) -> str:
        """The API reference as HTML."""
        return (await self._root("/docs")).text

    async def problem(self, slug: str) -> dict[str, Any]:
        """The description of a problem type."""
        return dict(json_of(await self._root(path("problems", slug))))

    async def _operations(self, url: str, *accepted_statuses: int) -> httpx.Response:
        """From the port for operators, which must not see our token, or from the API's where that has it all."""
        own = self._transport.operations_url
        request = Request(
            "GET", f"{own or ''}{url}", at_root=True, accepted_statuses=accepted_statuses, authorised=own is None
        )
        return await self._transport.send(request)

    async def _root(self, url: str) -> httpx.Response:
        return await self._transport.send(Request("GET", url, at_root=True))
