"""The public keys of an OIDC issuer: discovered, cached, fetched again when one is missing or they grow old."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx
import jwt
import structlog

from services.gateway.api.auth.issuer_http import TIMEOUT_S, discover, fetch_json, open_client
from services.gateway.domain.identity import InvalidToken, safe_url
from shared.contracts.messages import message
from shared.core.clock import Clock
from shared.core.errors import Retryable

log = structlog.get_logger(__name__)

FRESH_S: Final = 600.0  # after this the keys are fetched again, beside the requests: a withdrawn key ends soon
USABLE_S: Final = 24 * 3600.0  # while the issuer is away its last keys go on being trusted, but not for ever
COOLDOWN_S: Final = 15.0  # between fetches: tokens with invented key ids must not make us call the issuer each time

Keys = Mapping[str | None, jwt.PyJWK]


class IssuerKeys:
    """`transport` is for tests. Nothing is fetched before the first token comes."""

    def __init__(self, issuer: str, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._issuer = issuer
        self._clock = clock
        self._transport = transport
        self._keys: Keys = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def key(self, kid: str | None) -> jwt.PyJWK:
        """Raises InvalidToken: the issuer has no such key. Retryable: the issuer is unreachable, no key is cached."""
        age = self._age()
        if age is None or age > USABLE_S:
            await self._fetch_once(self._fetched_at)
        elif age > FRESH_S:
            self._refresh_beside()
        if self._find(kid) is None and (self._may_try() or self._lock.locked()):  # rotated: the new key signs at once
            await self._fetch_once(self._fetched_at)
        age = self._age()
        if age is None or age > USABLE_S:
            raise Retryable("issuer_away", message("problem.issuer_away"), delay_s=COOLDOWN_S)
        found = self._find(kid)
        if found is None:
            raise InvalidToken(message("problem.token_key"))
        return found

    def _find(self, kid: str | None) -> jwt.PyJWK | None:
        """An issuer with one key need not name it (OpenID Connect Core 10.1)."""
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def aclose(self) -> None:
        if self._refreshing:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _age(self) -> float | None:
        return None if self._fetched_at is None else self._clock.monotonic() - self._fetched_at

    def _may_try(self) -> bool:
        return self._tried_at is None or self._clock.monotonic() - self._tried_at >= COOLDOWN_S

    def _refresh_beside(self) -> None:
        if self._may_try() and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._fetch_once(self._fetched_at), name="issuer-keys")

    async def _fetch_once(self, seen: float | None) -> None:
        """Requests that miss the same key wait for one fetch. A failure leaves the keys as they are."""
        async with self._lock:
            if self._fetched_at != seen or not self._may_try():
                return
            self._tried_at = self._clock.monotonic()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    self._keys = await self._fetch()
            except (httpx.HTTPError, OSError, TimeoutError, ValueError, jwt.PyJWTError) as e:
                log.warning("oidc.keys_not_fetched", issuer=self._issuer, error=repr(e), known=len(self._keys))
                return
            self._fetched_at = self._clock.monotonic()
            log.info("oidc.keys_fetched", issuer=self._issuer, keys=sorted(map(str, self._keys)))

    async def _fetch(self) -> Keys:
        async with open_client(self._transport) as client:
            found = await discover(client, self._issuer)
            return _usable(await fetch_json(client, "GET", safe_url(str(found.get("jwks_uri")))))


def _usable(found: Mapping[str, Any]) -> Keys:
    """Public signing keys by their id; kinds that we cannot read, and shared secrets, are left out."""
    keys: dict[str | None, jwt.PyJWK] = {}
    for raw in found.get("keys", []):
        if not isinstance(raw, dict) or raw.get("use", "sig") != "sig" or raw.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        try:
            keys[raw.get("kid")] = jwt.PyJWK(raw)
        except jwt.PyJWTError as e:
            log.warning("oidc.key_not_read", kid=raw.get("kid"), error=str(e))
    if not keys:
        raise ValueError("the issuer has no key that can be used")
    return keys
