"""The gateway as a client of an OIDC issuer: authorization code with PKCE, renewal, revocation, sign-out.

OpenID Connect Core 1.0, RFC 6749, 7009 (revocation), 7636 (PKCE), OpenID Connect RP-Initiated Logout 1.0.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
import structlog

from services.gateway.api.auth.issuer_http import TIMEOUT_S, discover, fetch_json, open_client
from services.gateway.domain.identity import safe_url
from shared.contracts.messages import message
from shared.core.clock import Clock
from shared.core.errors import Retryable

log = structlog.get_logger(__name__)

FRESH_S: Final = 600.0  # after this the issuer's addresses are asked for again
EXCHANGE_S: Final = 2 * TIMEOUT_S  # discovery, and then the request itself
AWAY_S: Final = 5.0  # when to ask again


@dataclass(frozen=True)
class IssuerClient:
    """Who the gateway is to the issuer. `parameters` are added to the address of the login."""

    issuer: str
    client_id: str
    secret: str | None
    scopes: str
    redirect_uri: str
    home: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class IssuedTokens:
    access: str
    refresh: str | None
    id_token: str | None


class Issuer:
    """Every call raises Retryable while the issuer cannot be used, IssuerRefused if it refuses."""

    def __init__(self, client: IssuerClient, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = client
        self._clock = clock
        self._transport = transport
        self._metadata: Mapping[str, Any] | None = None
        self._fetched_at = 0.0

    @property
    def name(self) -> str:
        return self._client.issuer

    async def login_url(self, *, state: str, nonce: str, verifier: str) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        async with self._reached() as http:
            endpoint = await self._endpoint(http, "authorization_endpoint")
        query = dict(self._client.parameters) | {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": self._client.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return _with_query(endpoint, query)

    async def exchange(self, code: str, verifier: str) -> IssuedTokens:
        return await self._tokens(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._client.redirect_uri,
                "code_verifier": verifier,
            }
        )

    async def renew(self, refresh: str) -> IssuedTokens:
        return await self._tokens({"grant_type": "refresh_token", "refresh_token": refresh})

    async def revoke(self, refresh: str) -> None:
        """Of an issuer that offers no revocation the token lives on until it expires, unknown to anybody."""
        async with self._reached() as http:
            metadata = await self._discovered(http)
            if endpoint := metadata.get("revocation_endpoint"):
                form, headers = self._authenticated({"token": refresh, "token_type_hint": "refresh_token"}, metadata)
                response = await http.post(safe_url(str(endpoint)), data=form, headers=headers)
                response.raise_for_status()

    async def end_session_url(self, id_token: str | None) -> str | None:
        """Where a browser signs out of the issuer, too, and comes back from. None: the issuer has no such page."""
        async with self._reached() as http:
            endpoint = (await self._discovered(http)).get("end_session_endpoint")
        if not endpoint:
            return None
        query = {"client_id": self._client.client_id, "post_logout_redirect_uri": self._client.home}
        return _with_query(safe_url(str(endpoint)), query | ({"id_token_hint": id_token} if id_token else {}))

    async def _tokens(self, form: dict[str, str]) -> IssuedTokens:
        async with self._reached() as http:
            endpoint = await self._endpoint(http, "token_endpoint")
            form, headers = self._authenticated(form, await self._discovered(http))
            found = await fetch_json(http, "POST", endpoint, form=form, headers=headers)
        access, kind = found.get("access_token"), found.get("token_type")
        if not isinstance(access, str) or str(kind).lower() != "bearer":
            raise _away(f"{endpoint} answers without a bearer token")
        refresh, id_token = found.get("refresh_token"), found.get("id_token")
        return IssuedTokens(
            access, refresh if isinstance(refresh, str) else None, id_token if isinstance(id_token, str) else None
        )

    def _authenticated(
        self, form: dict[str, str], metadata: Mapping[str, Any]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """The form and headers with which the client proves itself: Basic if the issuer takes it (it must, by RFC
        6749, 2.3.1, if it says nothing), else in the form; without a secret, the id alone."""
        client_id, secret = self._client.client_id, self._client.secret
        if secret is None:
            return form | {"client_id": client_id}, {}
        if "client_secret_basic" in metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            pair = base64.b64encode(f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()).decode()
            return form, {"Authorization": f"Basic {pair}"}
        return form | {"client_id": client_id, "client_secret": secret}, {}

    async def _endpoint(self, http: httpx.AsyncClient, name: str) -> str:
        return safe_url(str((await self._discovered(http)).get(name)))

    async def _discovered(self, http: httpx.AsyncClient) -> Mapping[str, Any]:
        if self._metadata is None or self._clock.monotonic() - self._fetched_at > FRESH_S:
            self._metadata = await discover(http, self._client.issuer)
            self._fetched_at = self._clock.monotonic()
        return self._metadata

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[httpx.AsyncClient]:
        try:
            async with asyncio.timeout(EXCHANGE_S), open_client(self._transport) as http:
                yield http
        except (httpx.HTTPError, OSError, TimeoutError, ValueError) as e:
            raise _away(repr(e)) from e


def _away(why: str) -> Retryable:
    log.warning("oidc.issuer_not_used", why=why)
    return Retryable("issuer_away", message("problem.issuer_away"), delay_s=AWAY_S)


def _with_query(endpoint: str, query: Mapping[str, str]) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"
