"""Bearer tokens of an OIDC issuer (OpenID Connect Core 1.0; RFC 7519, 8725)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import jwt

from services.gateway.domain.identity import Identity, InvalidToken
from shared.contracts.messages import message
from shared.core.clock import Clock

LONGEST_TOKEN: Final = 16 * 1024  # before anything of it is parsed


class Keys(Protocol):
    async def key(self, kid: str | None) -> jwt.PyJWK: ...


class OidcTokens:
    """Verifies. Algorithms, issuer and audience are pinned; exp and sub must be there; `leeway_s` is between clocks."""

    def __init__(
        self, keys: Keys, *, issuer: str, audience: str, algorithms: Sequence[str], leeway_s: float, clock: Clock
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._algorithms = list(algorithms)
        self._leeway_s = leeway_s
        self._clock = clock

    async def verify(self, token: str) -> Identity:
        """Raises InvalidToken; Retryable while the issuer's keys cannot be had."""
        identity, _ = await self.claims(token)
        return identity

    async def claims(self, token: str) -> tuple[Identity, dict[str, Any]]:
        """Also everything else that it says. Raises as `verify`."""
        header = self._header(token)
        key = await self._keys.key(header.get("kid"))
        # The times are checked below, against our own clock; PyJWT would take the machine's.
        options: Any = {
            "require": ["exp", "sub", "iss", "aud"],
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        }
        try:
            claims = jwt.decode(token, key, self._algorithms, options, audience=self._audience, issuer=self._issuer)
            return self._identity(claims), claims
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as e:
            raise InvalidToken(message("problem.token_issuer")) from e

    def _header(self, token: str) -> dict[str, Any]:
        """Refuses other algorithms before any key is looked for: no `none`, no shared secret made of a public key."""
        if len(token) > LONGEST_TOKEN:
            raise InvalidToken(message("problem.token_too_long"))
        try:
            header: dict[str, Any] = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as e:
            raise InvalidToken(message("problem.token_unreadable")) from e
        if header.get("alg") not in self._algorithms:
            raise InvalidToken(message("problem.token_algorithm", algorithms=" or ".join(self._algorithms)))
        if not isinstance(header.get("kid"), str | None):
            raise InvalidToken(message("problem.token_key_id"))
        return header

    def _identity(self, claims: dict[str, Any]) -> Identity:
        now, expires, begins = self._clock.now().timestamp(), int(claims["exp"]), claims.get("nbf")
        if expires + self._leeway_s < now:
            raise InvalidToken(message("problem.token_expired"))
        if begins is not None and float(begins) - self._leeway_s > now:
            raise InvalidToken(message("problem.token_early"))
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise InvalidToken(message("problem.token_subject"))
        named = next(
            (
                claims[c]
                for c in ("name", "preferred_username", "email")
                if isinstance(claims.get(c), str) and claims[c].strip()
            ),
            subject,
        )
        return Identity(subject, named[:300], tuple(str(claims.get("scope") or "").split()), expires)
