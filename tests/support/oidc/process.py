"""Starts the issuer and speaks to it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from deploy.local.supervisor.preflight import free_port


@dataclass
class Issuer:
    url: str
    _admin: httpx.AsyncClient

    async def token(self, user: str, **claims: Any) -> str:
        return str((await self._post("token", {"sub": user, "name": user.title()} | claims))["token"])

    async def rotate(self, **how: Any) -> str:
        """The new key's id. `forget=True`: the old keys are withdrawn; `algorithm="ES256"`."""
        return str((await self._post("rotate", how))["kid"])

    async def away(self, away: bool) -> int:
        """Answers 503 from now on, or no more. How often the keys were fetched so far."""
        return int((await self._post("away", {"away": away}))["fetches"])

    async def login(self, **how: Any) -> dict[str, Any]:
        """How it treats the next logins: `user`, `error`, `life` (of access tokens, in seconds), `id_token` (claims),
        `refresh` (whether it gives refresh tokens), `slow` (seconds of a renewal); `reset` forgets all that was.

        Returns the number of `renewals` so far, and the `refresh_tokens` that are good."""
        return await self._post("login", how)

    async def _post(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await self._admin.post(f"{self.url}/admin/{name}", json=body)
        response.raise_for_status()
        return dict(response.json())


@asynccontextmanager
async def issuer() -> AsyncIterator[Issuer]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.support.oidc", "--port", str(port))
    try:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            made = Issuer(f"http://127.0.0.1:{port}", client)
            async with asyncio.timeout(60):
                while True:
                    try:
                        await made.away(False)
                        break
                    except httpx.TransportError:
                        assert process.returncode is None, "the issuer does not start"
                        await asyncio.sleep(0.1)
            yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
