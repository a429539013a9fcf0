"""Signing in a browser at an OIDC issuer: a token-mediating backend (draft-ietf-oauth-browser-based-apps, section 6.2).

The browser gets a random cookie, which only this gateway's own page can use, and with it short-lived access tokens.
The refresh token stays here, encrypted.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

import structlog

from services.gateway.api.auth.issuer import EXCHANGE_S, IssuedTokens, Issuer
from services.gateway.api.auth.issuer_http import TIMEOUT_S, IssuerRefused
from services.gateway.api.auth.logins import Logins
from services.gateway.api.auth.oidc import OidcTokens
from services.gateway.api.auth.sealing import Sealer
from services.gateway.domain.identity import Identity, InvalidToken, origin
from services.gateway.store.sign_ins import SignInRow, SignIns
from shared.contracts.messages import message
from shared.core.clock import Clock
from shared.core.errors import Retryable

log = structlog.get_logger(__name__)

KEEP_S: Final = 5.0
CLAIM_LIFE: Final = timedelta(seconds=EXCHANGE_S + TIMEOUT_S + KEEP_S)
"""Longer than a renewal: the exchange, the issuer's keys, and our database."""
POLL_S: Final = 0.1
RENEW_AT: Final = 0.25  # of a token's life that is left; the page asks at 0.2
RENEW_AT_S: Final = 30.0


class SignInOver(Exception):
    """There is no sign-in, or the issuer has ended it."""


@dataclass(frozen=True)
class SignedIn:
    """`cookie` is the browser's from now on, for `seconds`."""

    cookie: str
    seconds: int
    return_to: str


@dataclass(frozen=True)
class _Held:
    """The issuer's tokens of one sign-in; times are Unix seconds. `id_token` only hints at whom to sign out."""

    access: str
    expires_at: int
    obtained_at: int
    refresh: str | None
    id_token: str | None


class SignIn:
    def __init__(
        self,
        issuer: Issuer,
        access_tokens: OidcTokens,
        id_tokens: OidcTokens,
        sign_ins: SignIns,
        sealer: Sealer,
        *,
        client_id: str,
        home: str,
        life: timedelta,
        clock: Clock,
    ) -> None:
        """`home` is the URL at which browsers see the gateway."""
        self.origin = origin(home)
        self._secure = home.startswith("https:")
        self._prefix = "__Host-retake_" if self._secure else "retake_"
        self._issuer = issuer
        self._access_tokens = access_tokens
        self._sign_ins = sign_ins
        self._sealer = sealer
        self._life = life
        self._clock = clock
        self._renewals: set[asyncio.Task[tuple[str, int] | None]] = set()
        self.logins = Logins(
            issuer, access_tokens, id_tokens, sealer, client_id=client_id, cookie_prefix=self._prefix, clock=clock
        )

    @property
    def cookie_name(self) -> str:
        """Of the sign-in. No other host can set a cookie with the prefix; browsers take it over https only."""
        return f"{self._prefix}sign_in"

    @property
    def secure(self) -> bool:
        """Whether browsers see the gateway over https; else it is on this machine."""
        return self._secure

    async def finish(self, query: dict[str, str], cookies: dict[str, str]) -> SignedIn:
        """The browser is back with the issuer's answer. Raises LoginFailed."""
        done = await self.logins.finish(query, cookies)
        cookie = secrets.token_urlsafe(32)
        digest, user_id = _digest(cookie), done.identity.user_id
        held = self._sealed(self._held(done.issued, done.identity), digest)
        await self._sign_ins.open(digest, user_id, held, self._clock.now() + self._life)
        log.info("sign_in.opened", user_id=user_id)
        return SignedIn(cookie, _s(self._life), done.return_to)

    async def token(self, cookie: str) -> tuple[str, int]:
        """An access token and the seconds that it lives; renewed at the issuer if it is about to expire, by one caller
        at a time. Raises SignInOver; Retryable while the issuer is away and the last token is over."""
        digest = _digest(cookie)
        patience = self._clock.monotonic() + _s(CLAIM_LIFE) + EXCHANGE_S
        while True:
            row = await self._sign_ins.get(digest)
            held = self._opened(row) if row else None
            if row is None or held is None:
                raise SignInOver
            if not await self._is_due(held):
                return held.access, held.expires_at - self._now()
            if held.refresh is None:
                return await self._last_token(row, held)
            if await self._sign_ins.claim(row, CLAIM_LIFE):
                renewed = await self._to_its_end(self._renew(row, held, held.refresh))
                if renewed is not None:
                    return renewed
            elif self._clock.monotonic() > patience:
                raise Retryable("issuer_away", message("problem.issuer_away"), delay_s=1)
            else:
                await self._clock.sleep(POLL_S)

    async def end(self, cookie: str) -> tuple[bool, str | None]:
        """Ends it here and, as far as it can be reached, at the issuer: whether there was one, and the issuer's page
        that signs out there, too."""
        row = await self._sign_ins.end(_digest(cookie))
        if row is None:
            return False, None
        held = self._opened(row)
        log.info("sign_in.ended", user_id=row.user_id)
        if held and not await self._revoke(row, held):
            return True, None
        try:
            return True, await self._issuer.end_session_url(held.id_token if held else None)
        except (Retryable, IssuerRefused) as e:
            log.warning("sign_in.not_ended_at_issuer", user_id=row.user_id, error=str(e))
            return True, None

    async def aclose(self) -> None:
        """Ends when the renewals that are under way have ended."""
        await asyncio.gather(*self._renewals, return_exceptions=True)

    async def _to_its_end(self, renewal: Coroutine[Any, Any, tuple[str, int] | None]) -> tuple[str, int] | None:
        """It goes on although the caller is cancelled, whose browser has gone: the issuer may have ended the old
        refresh token already, and the new one is then only in its answer."""
        task = asyncio.create_task(renewal, name="sign-in-renewal")
        self._renewals.add(task)
        task.add_done_callback(self._renewals.discard)
        return await asyncio.shield(task)

    async def _is_due(self, held: _Held) -> bool:
        left = held.expires_at - self._now()
        if left <= max(RENEW_AT_S, RENEW_AT * (held.expires_at - held.obtained_at)):
            return True
        try:
            await self._access_tokens.verify(held.access)
        except InvalidToken:  # its key was withdrawn
            return True
        except Retryable:
            return False
        return False

    async def _last_token(self, row: SignInRow, held: _Held) -> tuple[str, int]:
        """Of an issuer that gives no refresh token: the sign-in lasts as long as its first access token."""
        if held.expires_at <= self._now():
            await self._sign_ins.end(row.digest)
            raise SignInOver
        return held.access, held.expires_at - self._now()

    async def _renew(self, row: SignInRow, held: _Held, refresh: str) -> tuple[str, int] | None:
        """The caller has claimed the renewal. None: the claim was over, and somebody else has renewed it."""
        try:
            issued = await self._issuer.renew(refresh)
        except IssuerRefused as e:
            if e.error == "invalid_grant":
                if await self._sign_ins.end(row.digest, row.version) is None:
                    return None
                log.info("sign_in.ended_by_issuer", user_id=row.user_id, error=str(e))
                raise SignInOver from e
            return await self._without_renewal(row, held, e)
        except Retryable as e:
            return await self._without_renewal(row, held, e)
        except Exception:
            await self._sign_ins.release(row)
            raise
        # An issuer that rotates has ended the old refresh token by now: the new one is kept whatever else fails.
        kept = replace(held, refresh=issued.refresh or refresh, id_token=issued.id_token or held.id_token)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                identity = await self._access_tokens.verify(issued.access)
        except (Retryable, InvalidToken, TimeoutError) as e:
            await self._keep(row, kept)
            return await self._without_renewal(row, held, e)
        except Exception:
            await self._keep(row, kept)
            raise
        if identity.user_id != row.user_id:
            await self._sign_ins.end(row.digest)
            raise SignInOver
        renewed = replace(kept, access=issued.access, expires_at=identity.expires_at, obtained_at=self._now())
        await self._keep(row, renewed)
        return renewed.access, renewed.expires_at - self._now()

    async def _keep(self, row: SignInRow, held: _Held) -> None:
        """Raises SignInOver: the browser signed out meanwhile, so that what was renewed is ended, too."""
        if await self._sign_ins.renewed(row, self._sealed(held, row.digest)):
            return
        if await self._sign_ins.get(row.digest) is None:
            await self._revoke(row, held)
            raise SignInOver

    async def _revoke(self, row: SignInRow, held: _Held) -> bool:
        """Whether its refresh token, if it has one, opens nothing at the issuer any more."""
        try:
            if held.refresh:
                await self._issuer.revoke(held.refresh)
        except (Retryable, IssuerRefused) as e:
            log.warning("sign_in.not_ended_at_issuer", user_id=row.user_id, error=str(e))
            return False
        return True

    async def _without_renewal(self, row: SignInRow, held: _Held, why: Exception) -> tuple[str, int]:
        """The token as it is, while it holds. Raises Retryable."""
        log.warning("sign_in.not_renewed", user_id=row.user_id, error=str(why))
        await self._sign_ins.release(row)
        left = held.expires_at - self._now()
        if left <= 0:
            raise Retryable("issuer_away", message("problem.issuer_away"), delay_s=EXCHANGE_S)
        return held.access, left

    def _held(self, issued: IssuedTokens, identity: Identity) -> _Held:
        return _Held(issued.access, identity.expires_at, self._now(), issued.refresh, issued.id_token)

    def _sealed(self, held: _Held, digest: str) -> str:
        return self._sealer.seal(json.dumps(vars(held)).encode(), f"tokens {digest}")

    def _opened(self, row: SignInRow) -> _Held | None:
        """None: it was sealed with a secret that we no longer have."""
        plain = self._sealer.open(row.sealed, f"tokens {row.digest}")
        return _Held(**json.loads(plain)) if plain else None

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _digest(cookie: str) -> str:
    return sha256(cookie.encode()).hexdigest()


def _s(life: timedelta) -> int:
    return int(life.total_seconds())
