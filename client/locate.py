"""The address of the gateway, and the token for it.

In this order: the caller's arguments; RETAKE_URL and RETAKE_TOKEN; the system that `retake up` runs on the data
directory ($RETAKE_DATA, else ./.retake), which writes its address to `run/state.json` and its token to `token`. The
port for operators is RETAKE_OPERATIONS_URL, or what the state file says of the same gateway.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client.credentials import Credentials
from client.errors import ClientError, NotRunning
from client.transport import API, is_loopback


@dataclass(frozen=True)
class GatewayAddress:
    """The address of a gateway, without /api/v1. `data` is the directory of the system, if that is local."""

    url: str
    token: str | None = None
    token_file: Path | None = None
    data: Path | None = None
    operations_url: str | None = None

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
) -> GatewayAddress:
    """Find the gateway. Raises NotRunning if its address is unknown, ClientError if it is invalid."""
    directory = data_dir(data, environ)
    token = token or environ.get("RETAKE_TOKEN") or None
    # A data directory of the caller takes precedence over the environment.
    chosen = url or (environ.get("RETAKE_URL") if data is None else None)
    running = _state_url(directory, "gateway")
    given = environ.get("RETAKE_OPERATIONS_URL") if data is None else None
    operations = _checked(given) if given else None
    local = operations or _state_url(directory, "operations")
    if chosen:
        chosen = _checked(chosen)
        own = running == chosen
        if not own:
            return GatewayAddress(chosen, token, operations_url=operations)
        return GatewayAddress(chosen, token, directory / "token", directory, local)
    if running is None:
        raise NotRunning(
            f"Retake is not running on {_relative(directory)}.",
            "Start it with `retake up`, or set RETAKE_URL and RETAKE_TOKEN to use another gateway.",
        )
    return GatewayAddress(running, token, directory / "token", directory, local)


def _state_url(directory: Path, of: str) -> str | None:
    try:
        url = json.loads((directory / "run" / "state.json").read_text()).get(of)
    except (OSError, ValueError, AttributeError):
        return None
    return url.rstrip("/") if isinstance(url, str) and url else None


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ClientError(f"{url!r} is not an HTTP URL.", "Write it as http://HOST:PORT.")
    return url.rstrip("/").removesuffix(API)


def _relative(directory: Path) -> str:
    try:
        return f"./{directory.relative_to(Path.cwd())}"
    except ValueError:
        return str(directory)
