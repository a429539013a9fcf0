"""The typed Python client of Retake, and the `retake` command. It uses only the HTTP API."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client.api import AsyncRetake
    from client.blocking import Retake
    from client.errors import ClientError, ProblemError, Unreachable

__all__ = ["AsyncRetake", "ClientError", "ProblemError", "Retake", "Unreachable"]

_MODULES = {
    "AsyncRetake": "client.api",
    "Retake": "client.blocking",
    "ProblemError": "client.errors",
    "ClientError": "client.errors",
    "Unreachable": "client.errors",
}


def __getattr__(name: str) -> Any:
    """Import the name on first use, so that commands without a gateway do not import the HTTP client."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
