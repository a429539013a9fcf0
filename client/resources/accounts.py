"""Who calls: tokens, browser sessions, tickets for streams."""

from __future__ import annotations

from client.models import Me, Ticket, Token
from client.resources.base import Resource
from client.transport import Request


class Accounts(Resource):
    async def me(self) -> Me:
        return await self._get(Me, "/me")

    async def token(self) -> Token:
        """A token of a local gateway, from the same machine; any other gateway answers NotFound."""
        return await self._post(Token, "/auth/token")

    async def ticket(self, stream: str) -> Ticket:
        """Opens one stream once, within 30 s: `stream` is its path, such as /api/v1/projects/{id}/events."""
        return await self._post(Ticket, "/auth/tickets", {"stream": stream})

    async def open_session(self) -> str | None:
        """The Set-Cookie header that lets a browser read (never write) as this caller."""
        answer = await self._transport.send(Request("POST", "/auth/session"))
        cookie: str | None = answer.headers.get("Set-Cookie")
        return cookie

    async def close_session(self) -> None:
        await self._delete("/auth/session")
