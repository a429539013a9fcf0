"""Accounts: the caller's identity, tokens, browser sessions, tickets for streams."""

from __future__ import annotations

from client.models import Me, Ticket, Token
from client.resources.base import Resource
from client.transport import Request


class Accounts(Resource):
    async def me(self) -> Me:
        return await self._get(Me, "/me")

    async def token(self) -> Token:
        """A token from a local gateway, for callers on the same machine. Raises NotFound at any other gateway."""
        return await self._post(Token, "/auth/token")

    async def ticket(self, stream: str) -> Ticket:
        """A ticket that opens a stream once, within 30 s. `stream` is its path, e.g. /api/v1/projects/{id}/events."""
        return await self._post(Ticket, "/auth/tickets", {"stream": stream})

    async def open_session(self) -> str | None:
        """The Set-Cookie header with which a browser can read, but not write, as this caller."""
        response = await self._transport.send(Request("POST", "/auth/session"))
        cookie: str | None = response.headers.get("Set-Cookie")
        return cookie

    async def close_session(self) -> None:
        await self._delete("/auth/session")
