"""Where the gateway is and which token it takes.

In this order: what the caller says; RETAKE_URL and RETAKE_TOKEN; the system that `retake up` runs on the data
directory ($RETAKE_DATA, else ./.retake), which writes its address to run/state.json and its token to token.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client.credentials import Credentials
from client.errors import NotRunning, RetakeError
from client.transport import API, is_loopback


@dataclass(frozen=True)
class Place:
    """A gateway. `url` is without /api/v1; `data` is the local system's directory, if it is one."""

    url: str
    token: str | None = None
    token_file: Path | None = None
    data: Path | None = None

    def credentials(self) -> Credentials:
        return Credentials(self.token, token_file=self.token_file, local=is_loopback(self.url))


def data_dir(given: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The data directory that commands use."""
    return (given or Path(environ.get("RETAKE_DATA") or ".retake")).expanduser().absolute()


def locate(
    url: str | None = None,
    token: str | None = None,
    data: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Place:
    """Find the gateway. Raises NotRunning if nothing says where one would be."""
    directory = data_dir(data, environ)
    token = token or environ.get("RETAKE_TOKEN") or None
    # A data directory that the caller names is meant, whatever the environment says.
    chosen = url or (environ.get("RETAKE_URL") if data is None else None)
    running = _state_url(directory)
    if chosen:
        chosen = _checked(chosen)
        own = running == chosen
        return Place(chosen, token, directory / "token" if own else None, directory if own else None)
    if running is None:
        raise NotRunning(
            f"No Retake is running on {_shown(directory)}.",
            "Start it with `retake up`, or set RETAKE_URL and RETAKE_TOKEN to use another.",
        )
    return Place(running, token, directory / "token", directory)


def _state_url(directory: Path) -> str | None:
    try:
        gateway = json.loads((directory / "run" / "state.json").read_text()).get("gateway")
    except (OSError, ValueError, AttributeError):
        return None
    return gateway.rstrip("/") if isinstance(gateway, str) and gateway else None


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise RetakeError(f"{url!r} is not an address.", "Give it as http://HOST:PORT.")
    return url.rstrip("/").removesuffix(API)


def _shown(directory: Path) -> str:
    try:
        return f"./{directory.relative_to(Path.cwd())}"
    except ValueError:
        return str(directory)
