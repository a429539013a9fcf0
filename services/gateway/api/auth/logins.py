"""A browser's way to the OIDC issuer and back: authorization code flow with PKCE, bound to the browser by a cookie."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import structlog

from services.gateway.api.auth.issuer import IssuedTokens, Issuer
from services.gateway.api.auth.issuer_http import IssuerRefused
from services.gateway.api.auth.oidc import OidcTokens
from services.gateway.api.auth.sealing import Sealer
from services.gateway.domain.identity import Identity, InvalidToken
from shared.core.clock import Clock
from shared.core.errors import Retryable

log = structlog.get_logger(__name__)

LOGIN_LIFE: Final = timedelta(minutes=10)  # from the issuer's page back to ours
MOST_LOGINS: Final = 3  # of one browser at once; a cookie has 4 KiB at most


class SignInRefusal(StrEnum):
    """Why a browser came back from the issuer without being signed in."""

    DENIED = "denied"
    """The person or the issuer said no."""
    EXPIRED = "expired"
    """The login was begun in another browser, too long ago, or is already over."""
    UNAVAILABLE = "unavailable"
    """The issuer cannot be reached now."""
    MISCONFIGURED = "misconfigured"
    """The issuer does not accept this gateway, or its tokens are not for it: an operator must act."""


class LoginFailed(Exception):
    """`return_to`: where the person was, as far as it is known."""

    def __init__(self, refusal: SignInRefusal, return_to: str | None) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.return_to = return_to


@dataclass(frozen=True)
class Login:
    """A login that begins: where the browser goes, and what it alone keeps meanwhile, for `LOGIN_LIFE`."""

    url: str
    cookie_name: str
    cookie: str


@dataclass(frozen=True)
class FinishedLogin:
    """`issued` are the issuer's tokens, verified to speak of `identity`."""

    issued: IssuedTokens
    identity: Identity
    return_to: str


class Logins:
    """Keeps nothing: what a login needs until the browser is back lies sealed in the browser's own cookie."""

    def __init__(
        self,
        issuer: Issuer,
        access_tokens: OidcTokens,
        id_tokens: OidcTokens,
        sealer: Sealer,
        *,
        client_id: str,
        cookie_prefix: str,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._access_tokens = access_tokens
        self._id_tokens = id_tokens
        self._sealer = sealer
        self._client_id = client_id
        self._prefix = cookie_prefix
        self._clock = clock

    def cookie_name(self, state: str) -> str:
        """One for each login: several tabs may sign in at once."""
        return f"{self._prefix}login_{sha256(state.encode()).hexdigest()[:12]}"

    def displaced(self, cookies: Mapping[str, str]) -> list[str]:
        """Cookies of logins that another one displaces: the oldest, which browsers send first (RFC 6265, 5.4). Without
        an end to them, the head of each request would soon be larger than we read."""
        logins = [name for name in cookies if name.startswith(f"{self._prefix}login_")]
        return logins[: max(0, len(logins) + 1 - MOST_LOGINS)]

    async def begin(self, return_to: str) -> Login:
        """`return_to` is a path of this site. Raises Retryable while the issuer is away."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url = await self._issuer.login_url(state=state, nonce=nonce, verifier=verifier)
        kept = {
            "nonce": nonce,
            "verifier": verifier,
            "return_to": return_to,
            "until": self._now() + int(LOGIN_LIFE.total_seconds()),
        }
        return Login(url, self.cookie_name(state), self._sealer.seal(json.dumps(kept).encode(), f"login {state}"))

    async def finish(self, query: dict[str, str], cookies: dict[str, str]) -> FinishedLogin:
        """The browser is back with the issuer's answer. Raises LoginFailed."""
        begun = self._begun(query.get("state", ""), cookies)
        if begun is None or query.get("iss", self._issuer.name) != self._issuer.name:  # RFC 9207
            raise LoginFailed(SignInRefusal.EXPIRED, None)
        return_to = str(begun["return_to"])
        if error := query.get("error"):
            log.warning("sign_in.refused_by_issuer", error=error[:100])
            raise LoginFailed(_refusal_of(error), return_to)
        try:
            issued = await self._issuer.exchange(query.get("code", ""), str(begun["verifier"]))
            identity = await self._verified(issued, str(begun["nonce"]))
        except Retryable as e:
            raise LoginFailed(SignInRefusal.UNAVAILABLE, return_to) from e
        except IssuerRefused as e:
            log.warning("sign_in.code_refused", error=str(e))
            refusal = SignInRefusal.EXPIRED if e.error == "invalid_grant" else SignInRefusal.MISCONFIGURED
            raise LoginFailed(refusal, return_to) from e
        except InvalidToken as e:
            log.warning("sign_in.tokens_not_usable", cause=str(e))
            raise LoginFailed(SignInRefusal.MISCONFIGURED, return_to) from e
        return FinishedLogin(issued, identity, return_to)

    def _begun(self, state: str, cookies: dict[str, str]) -> dict[str, Any] | None:
        """What this browser kept of the login with that state; None: nothing, or it is too old."""
        sealed = cookies.get(self.cookie_name(state))
        plain = self._sealer.open(sealed, f"login {state}") if sealed else None
        if plain is None:
            return None
        begun: dict[str, Any] = json.loads(plain)
        return begun if begun["until"] > self._now() else None

    async def _verified(self, issued: IssuedTokens, nonce: str) -> Identity:
        """Who both tokens speak of. Raises InvalidToken, Retryable."""
        if issued.id_token is None:
            raise InvalidToken("the issuer sent no id token; GATEWAY_OIDC_SCOPES must contain openid")
        who, claims = await self._id_tokens.claims(issued.id_token)
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise InvalidToken("the id token has another nonce")
        if claims.get("azp", self._client_id) != self._client_id:
            raise InvalidToken("the id token was issued to another client")
        identity = await self._access_tokens.verify(issued.access)
        if identity.user_id != who.user_id:
            raise InvalidToken("the access token speaks of another subject than the id token")
        return identity

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _refusal_of(error: str) -> SignInRefusal:
    """OAuth's codes at the authorization endpoint (RFC 6749, section 4.1.2.1)."""
    match error:
        case "temporarily_unavailable" | "server_error":
            return SignInRefusal.UNAVAILABLE
        case "invalid_request" | "unauthorized_client" | "unsupported_response_type" | "invalid_scope":
            return SignInRefusal.MISCONFIGURED
        case _:
            return SignInRefusal.DENIED
