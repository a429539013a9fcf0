"""JSON web tokens of the local secret: bearer tokens of local mode, and the sessions that cookies carry."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import jwt

from services.gateway.domain.identity import Identity, InvalidToken
from shared.contracts.messages import message
from shared.core.clock import Clock

ALGORITHM: Final = "HS256"
LEEWAY_S: Final = 10  # between the clocks of issuer and gateway
REMEMBERED: Final = 10_000  # tokens whose signature need not be computed again
LONGEST_TOKEN: Final = 16 * 1024  # bytes, before anything of it is parsed
SESSION_LIFE: Final = timedelta(hours=12)
SESSION_AUDIENCE: Final = "retake-session"
"""A session is no bearer token, and a bearer token is no session."""
GUEST_AUDIENCE: Final = "retake-guest"
GUEST_PREFIX: Final = "guest."
"""Of a guest's bearer token, in front of the JWT: nothing else is asked whether it is one."""
GUEST_LIFE: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Session:
    """What a session cookie says. `session_id` is random, and only ours: the cookie's text may be written in several
    ways."""

    identity: Identity
    session_id: str


class LocalTokens:
    """Issues with the first secret and verifies with all of them, so that they can be rotated. Algorithm, issuer and
    audience are pinned; exp and sub must be there."""

    def __init__(self, *secrets: str, issuer: str, audience: str, clock: Clock) -> None:
        self._secrets = secrets
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._known: dict[str, Identity] = {}

    def issue(self, user_id: str, name: str, life: timedelta) -> str:
        return self._encode(user_id, name, self._audience, int((self._clock.now() + life).timestamp()))

    async def verify(self, token: str) -> Identity:
        """Raises InvalidToken. A token that was right once stays right until it expires."""
        known = self._known.get(token)
        if known is None:
            known, _ = self._decode(token, self._audience)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[token] = known
        self._check_time(known)
        return known

    def issue_guest(self, user_id: str, name: str, until: datetime) -> tuple[str, int]:
        """A bearer token for the guests of a share link, and the seconds that it lives: until the link ends at most."""
        now = int(self._clock.now().timestamp())
        expires = min(int(until.timestamp()), now + int(GUEST_LIFE.total_seconds()))
        return GUEST_PREFIX + self._encode(user_id, name, GUEST_AUDIENCE, expires), max(0, expires - now)

    def verify_guest(self, token: str) -> Identity:
        """Raises InvalidToken. Whether the link was revoked is not known here."""
        identity, _ = self._decode(token.removeprefix(GUEST_PREFIX), GUEST_AUDIENCE)
        return identity

    def open_session(self, identity: Identity) -> tuple[str, int]:
        """What the cookie holds, and the seconds that it lives: never longer than the token it was made from."""
        now = int(self._clock.now().timestamp())
        expires = min(identity.expires_at, now + int(SESSION_LIFE.total_seconds()))
        session_id = {"jti": secrets.token_urlsafe(18)}
        cookie = self._encode(identity.user_id, identity.name, SESSION_AUDIENCE, expires, **session_id)
        return cookie, max(0, expires - now)

    def verify_session(self, token: str) -> Session:
        """Raises InvalidToken. Whether it was signed out is not known here."""
        identity, claims = self._decode(token, SESSION_AUDIENCE)
        if not isinstance(session_id := claims.get("jti"), str):
            raise InvalidToken(message("problem.session_foreign"))
        return Session(identity, session_id)

    def _encode(self, user_id: str, name: str, audience: str, expires: int, **more: str) -> str:
        now = int(self._clock.now().timestamp())
        claims = {
            "sub": user_id,
            "name": name,
            "iss": self._issuer,
            "aud": audience,
            "iat": now,
            "exp": expires,
            **more,
        }
        return jwt.encode(claims, self._secrets[0], ALGORITHM)

    def _decode(self, token: str, audience: str) -> tuple[Identity, dict[str, Any]]:
        if len(token) > LONGEST_TOKEN:
            raise InvalidToken(message("problem.token_too_long"))
        # exp is checked below, against our own clock; PyJWT would take the machine's.
        options: Any = {"require": ["exp", "sub", "iss", "aud"], "verify_exp": False, "verify_iat": False}
        try:
            claims = self._verified(token, options, audience)
            expires = int(claims["exp"])
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as e:
            raise InvalidToken(message("problem.token_foreign")) from e
        user_id, name = claims["sub"], claims.get("name")
        scopes = str(claims.get("scope") or "").split()
        found = Identity(user_id, name if isinstance(name, str) and name else user_id, tuple(scopes), expires)
        self._check_time(found)
        return found, claims

    def _verified(self, token: str, options: Any, audience: str) -> dict[str, Any]:
        """The claims. Raises PyJWT's errors."""
        *others, last = self._secrets
        for secret in others:
            with suppress(jwt.InvalidSignatureError):
                return dict(jwt.decode(token, secret, [ALGORITHM], options, audience=audience, issuer=self._issuer))
        return dict(jwt.decode(token, last, [ALGORITHM], options, audience=audience, issuer=self._issuer))

    def _check_time(self, identity: Identity) -> None:
        if identity.expires_at + LEEWAY_S < self._clock.now().timestamp():
            raise InvalidToken(message("problem.token_expired"))
