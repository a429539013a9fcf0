"""The bearer token of a local system, whose single user owns everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from deploy.local.supervisor.files import write_private
from shared.core.clock import Clock

LIFETIME: Final = timedelta(hours=24)
RENEW_AFTER: Final = timedelta(hours=12)  # a reader of the file has at least half a day left

ISSUER: Final = "retake"
AUDIENCE: Final = "retake"
SUBJECT: Final = "local"


def mint(secret: str, now: datetime) -> str:
    import jwt  # brings cryptography along: too slow to import for a start that does not need it yet

    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": SUBJECT,
        "name": "You",
        "scope": "owner",
        "iat": now,
        "exp": now + LIFETIME,
    }
    return jwt.encode(claims, secret, algorithm="HS256")


class TokenFile:
    """Keeps a valid token in `path`."""

    def __init__(self, path: Path, secret: str, clock: Clock) -> None:
        self._path = path
        self._secret = secret
        self._clock = clock
        self._minted = datetime.min.replace(tzinfo=UTC)

    def refresh(self) -> str:
        """The current token; a new one if the last is half used up."""
        now = self._clock.now()
        if now - self._minted >= RENEW_AFTER:
            self._minted = now
            self._token = mint(self._secret, now)
            write_private(self._path, self._token + "\n")
        return self._token
