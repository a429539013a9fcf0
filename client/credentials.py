"""The bearer token, and its renewal."""

from __future__ import annotations

from pathlib import Path

import httpx

from client.errors import BadResponse


class Credentials:
    """A token of the caller, or that of a local system.

    A local system writes its token to a file, and its gateway issues one to callers on the same machine. Tokens are
    valid for a day, so they must be renewed while a system runs.
    """

    def __init__(self, token: str | None = None, *, token_file: Path | None = None, local: bool = False) -> None:
        self._given = token is not None
        self._file = token_file
        self._local = local
        self.token = token or _read(token_file)

    async def renew(self, http: httpx.AsyncClient) -> bool:
        """Replace a token that was refused. False if there is no other; a caller's own token is never replaced.

        Raises BadResponse if the gateway's response has no token.
        """
        if self._given:
            return False
        newer = _read(self._file)
        if newer and newer != self.token:
            self.token = newer
            return True
        if not self._local:
            return False
        try:
            response = await http.post("/api/v1/auth/token", headers={"Accept": "application/json"})
        except httpx.TransportError:
            return False
        if response.status_code != 200:
            return False
        token = response.json().get("access_token")
        if not isinstance(token, str):
            raise BadResponse("The gateway's response has no access_token.", "Check the address.")
        self.token = token
        return True


def _read(path: Path | None) -> str | None:
    try:
        return (path.read_text().strip() or None) if path else None
    except OSError:
        return None
