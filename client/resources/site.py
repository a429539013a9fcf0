"""What a gateway says of itself: the models, its health and figures, its own documents."""

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
        """Also of a gateway that is not ready: `checks` says why."""
        answer = await self._transport.send(Request("GET", "/health/ready", at_root=True, accepted_statuses=(503,)))
        return parse(Health, json_of(answer))

    async def metrics(self) -> str:
        """Prometheus text."""
        return (await self._root("/metrics")).text

    async def openapi(self) -> dict[str, Any]:
        return dict(json_of(await self._root("/openapi.json")))

    async def docs(self) -> str:
        """The reader of the API's reference, as HTML."""
        return (await self._root("/docs")).text

    async def problem(self, slug: str) -> dict[str, Any]:
        """What a problem type means and what to do about it."""
        return dict(json_of(await self._root(path("problems", slug))))

    async def _root(self, where: str) -> httpx.Response:
        return await self._transport.send(Request("GET", where, at_root=True))
