"""The bearer token, and how to get another when it is no longer good."""

from __future__ import annotations

from pathlib import Path

import httpx

from client.errors import BadAnswer


class Credentials:
    """A token given by the caller, or the one of a local system.

    A local system writes its token to a file and, from this machine, also hands one out: tokens last a day,
    a system may run longer than that.
    """

    def __init__(self, token: str | None = None, *, token_file: Path | None = None, local: bool = False) -> None:
        self._given = token is not None
        self._file = token_file
        self._local = local
        self.token = token or _read(token_file)

    async def renew(self, http: httpx.AsyncClient) -> bool:
        """Replace a token that was refused. False if there is no other: whoever named one is not made somebody else."""
        if self._given:
            return False
        newer = _read(self._file)
        if newer and newer != self.token:
            self.token = newer
            return True
        if not self._local:
            return False
        try:
            answer = await http.post("/api/v1/auth/token", headers={"Accept": "application/json"})
        except httpx.TransportError:
            return False
        if answer.status_code != 200:
            return False
        token = answer.json().get("access_token")
        if not isinstance(token, str):
            raise BadAnswer("The gateway answered without an access_token.", "Check the address.")
        self.token = token
        return True


def _read(path: Path | None) -> str | None:
    try:
        return (path.read_text().strip() or None) if path else None
    except OSError:
        return None
