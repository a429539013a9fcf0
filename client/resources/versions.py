"""Versions of an asset."""

from __future__ import annotations

from client.models import Provenance, Run, Version
from client.resources.base import Resource, path


class Versions(Resource):
    async def get(self, version_id: str) -> Version:
        return await self._get(Version, path("versions", version_id))

    async def rollback(self, version_id: str, *, key: str | None = None) -> Run:
        """Commit an earlier accepted version again, with a new run."""
        return await self._post(Run, path("versions", version_id, "rollback"), key=key)

    async def provenance(self, version_id: str) -> Provenance:
        """Its origin by its Content Credentials, checked against its bytes. Raises Gone if it was deleted."""
        return await self._get(Provenance, path("versions", version_id, "provenance"))
