"""Accounts: the caller's identity, tokens, browser sessions, tickets for streams."""

from __future__ import annotations

from client.errors import BadResponse
from client.models import GuestToken, Me, SignInConfig, Ticket, Token
from client.resources.base import Resource
from client.transport import Request


class Accounts(Resource):
    async def me(self) -> Me:
        return await self._get(Me, "/me")

    async def token(self) -> Token:
        """A token from a local gateway, for callers on the same machine. Raises NotFound at any other gateway."""
        return await self._post(Token, "/auth/token")

    async def sign_in_config(self) -> SignInConfig:
        """How a browser signs in; open to everyone."""
        return await self._get(SignInConfig, "/auth/config")

    async def login_url(self, return_to: str = "/") -> str:
        """The identity provider's page for one login. Only the browser that asked the gateway for it can come back
        from there, so this shows where a login leads. Raises NotFound where nobody signs in by browser."""
        request = Request("GET", "/auth/login", params={"return_to": return_to}, accepted_statuses=(302,))
        found: str | None = (await self._transport.send(request)).headers.get("Location")
        if found is None:
            raise BadResponse("The login leads nowhere.", "Check the address.")
        return found

    async def open_share(self, token: str) -> GuestToken:
        """A guest's bearer token: `token` is the part after # of a share link. Raises NotFound if it opens nothing."""
        return await self._post(GuestToken, "/auth/share", {"token": token})

    async def ticket(self, stream: str) -> Ticket:
        """A ticket that opens a stream once, within 30 s. `stream` is its path, e.g. /api/v1/projects/{id}/events."""
        return await self._post(Ticket, "/auth/tickets", {"stream": stream})

    async def open_session(self) -> str | None:
        """The Set-Cookie header with which a browser can read, but not write, as this caller."""
        response = await self._transport.send(Request("POST", "/auth/session"))
        cookie: str | None = response.headers.get("Set-Cookie")
        return cookie

    async def close_session(self) -> None:
        """Ends the session of a browser. A bearer token stays valid until it expires."""
        await self._delete("/auth/session")
